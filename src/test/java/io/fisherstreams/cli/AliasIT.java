package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.DType;
import io.fisherstreams.checkpoint.TensorInfo;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.SchemaRegistry;
import io.fisherstreams.release.ReleaseAliases;
import io.fisherstreams.release.ReleaseFeed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Aliases as a user moves them, on a real broker, in a pool that keeps one release. */
class AliasIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final TensorInfo WEIGHT = new TensorInfo("weight", DType.F32, List.of(3L));

  @TempDir private Path directory;

  private EmbeddedBroker broker;
  private EmbeddedRegistry registry;
  private KafkaSettings kafka;
  private PoolTopics topics;
  private PoolRunner stages;
  private ReleaseFeed feed;

  @BeforeEach
  void start() {
    broker = EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    registry = EmbeddedRegistry.start();
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
    topics = new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of()));
    assertThat(cli("topics", "create", "--partitions", "2")).isZero();
    startStages();
    feed = new ReleaseFeed(kafka, topics);
  }

  private void startStages() {
    PlanPolicy keepsOne =
        new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of("a"));
    stages = PoolRunner.start(kafka, topics, directory.resolve("state"), 1, keepsOne);
  }

  @AfterEach
  void stop() {
    feed.close();
    stages.close();
    registry.close();
    broker.close();
  }

  private int cli(String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(
        List.of(
            "--pool", "pool",
            "--bootstrap-servers", broker.bootstrapServers(),
            "--schema-registry", registry.url()));
    return Main.run(line.toArray(String[]::new));
  }

  private String file(String name, float value) {
    Path file = directory.resolve(name + ".safetensors");
    try (CheckpointWriter writer = CheckpointWriter.file(file, List.of(WEIGHT), Map.of())) {
      ByteBuffer data = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
      writer.write("weight", 0, data.putFloat(value).putFloat(value).putFloat(value).flip());
      writer.commit();
    }
    return file.toString();
  }

  /** The pool's only model has this value, so its release has it too. */
  private void publish(long release, float value) {
    assertThat(cli("publish", "checkpoint", file("a" + release, value), "--model", "a")).isZero();
    assertThat(cli("publish", "fisher", file("fisher", 1), "--model", "a")).isZero();
    Instant deadline = Instant.now().plus(PATIENCE);
    while (feed.upToDate().values().stream()
        .noneMatch(r -> r.getRelease() == release && r.getStatus() == ReleaseStatus.COMPLETE)) {
      stages.requireRunning();
      assertThat(Instant.now()).as("waiting for release " + release).isBefore(deadline);
      feed.poll(Duration.ofMillis(200));
    }
  }

  private float exported(String release) throws IOException {
    Path output = directory.resolve("out.safetensors");
    Files.deleteIfExists(output);
    assertThat(cli("export", "--release", release, "--output", output.toString())).isZero();
    byte[] bytes = Files.readAllBytes(output);
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getFloat(bytes.length - 4);
  }

  @Test
  void exportFollowsAnAliasThroughRetentionRollbackAndARestart() throws IOException {
    assertThat(cli("publish", "checkpoint", file("base", 0), "--model", "base", "--base")).isZero();
    publish(1, 1.5f);
    assertThat(cli("alias", "set", "production", "1")).isZero();
    publish(2, 2.5f);
    assertThat(cli("alias", "set", "production", "2")).isZero();
    publish(3, 3.5f);
    publish(4, 4.5f);
    assertThat(exported("production")).isEqualTo(2.5f);
    stages.close();
    startStages();
    assertThat(cli("rollback", "production")).isZero();
    assertThat(exported("production")).isEqualTo(1.5f);
    assertThat(cli("rollback", "production")).as("nothing earlier").isEqualTo(1);
    assertThat(cli("alias", "set", "production", "9")).as("no such release").isEqualTo(1);
    assertThat(new ReleaseAliases(kafka, topics).all().get("production").getRelease()).isEqualTo(1);
    assertThat(cli("alias")).isZero();
    assertThat(cli("export", "--release", "staging", "--output", "x")).isEqualTo(1);
    assertThat(cli("alias", "set", "production", "4")).isZero();
    publish(5, 5.5f);
    assertThat(cli("alias", "set", "production", "5")).isZero();
    publish(6, 6.5f);
    publish(7, 7.5f);
    Instant deadline = Instant.now().plus(PATIENCE);
    while (cli("export", "--release", "1", "--output", directory + "/gone.safetensors") == 0) {
      Files.delete(directory.resolve("gone.safetensors"));
      assertThat(Instant.now()).as("no alias holds release 1 any more").isBefore(deadline);
    }
    assertThat(exported("4")).as("where a rollback would go").isEqualTo(4.5f);
  }
}
