package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** A pool on a broker of its own that a test works on by commands, as a user does. */
final class CommandPool implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  final KafkaSettings kafka;
  final PoolTopics topics;
  private final Path directory;
  private final PlanPolicy policy;
  private final EmbeddedBroker broker;
  private final EmbeddedRegistry registry;
  private final ReleaseFeed feed;
  private PoolRunner stages;

  /** Starts broker, registry and stages; all files go into the directory. */
  CommandPool(Path directory, int partitions, PlanPolicy policy) {
    this.directory = directory;
    this.policy = policy;
    broker = EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    registry = EmbeddedRegistry.start();
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
    topics = new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of()));
    output("topics", "create", "--partitions", Integer.toString(partitions));
    startStages();
    feed = new ReleaseFeed(kafka, topics);
  }

  private void startStages() {
    stages = PoolRunner.start(kafka, topics, directory.resolve("state"), 1, policy);
  }

  /** Merge stage or coordinator. */
  StageInstance stage(Stage stage) {
    return stages.stages().get(stage);
  }

  /** Ends merge stage and coordinator. */
  void stopStages() {
    stages.close();
  }

  /** Ends merge stage and coordinator and starts them again on their state. */
  void restartStages() {
    stopStages();
    startStages();
  }

  /** Runs a command on this pool and returns its exit code. */
  int run(String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(connection());
    return Main.run(line.toArray(String[]::new));
  }

  /** The options that name this pool. */
  List<String> connection() {
    return List.of(
        "--pool", "pool",
        "--bootstrap-servers", broker.bootstrapServers(),
        "--schema-registry", registry.url());
  }

  /** Runs a command, which must succeed, and returns what it printed. */
  String output(String... arguments) {
    return output(0, arguments);
  }

  /** What a command prints that ends with this exit code. */
  String output(int expectedExit, String... arguments) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    int exit;
    try {
      exit = run(arguments);
    } finally {
      System.setOut(before);
    }
    String printed = bytes.toString(StandardCharsets.UTF_8);
    assertThat(exit)
        .as("%s printed %s", String.join(" ", arguments), printed)
        .isEqualTo(expectedExit);
    return printed;
  }

  /** Writes a safetensors file of float32 tensors, by name, and returns its path. */
  String file(String name, Map<String, float[]> tensors) {
    Path file = directory.resolve(name + ".safetensors");
    List<TensorInfo> infos =
        tensors.entrySet().stream()
            .map(t -> new TensorInfo(t.getKey(), DType.F32, List.of((long) t.getValue().length)))
            .toList();
    write(file, infos, tensors);
    return file.toString();
  }

  static void write(Path file, List<TensorInfo> infos, Map<String, float[]> tensors) {
    try (CheckpointWriter writer = CheckpointWriter.file(file, infos, Map.of())) {
      tensors.forEach(
          (name, values) -> {
            ByteBuffer data =
                ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
            data.asFloatBuffer().put(values);
            writer.write(name, 0, data);
          });
      writer.commit();
    }
  }

  /** The tensors of a file as float32, by name. */
  static Map<String, float[]> tensors(Path file) {
    Map<String, float[]> tensors = new LinkedHashMap<>();
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      for (TensorInfo tensor : checkpoint.tensors().values()) {
        int elements = (int) tensor.elements();
        float[] values = new float[elements];
        FloatCodec.toFloat(
            tensor.dtype(), checkpoint.slice(tensor.name(), 0, elements), 0, values, 0, elements);
        tensors.put(tensor.name(), values);
      }
    }
    return tensors;
  }

  /** All releases so far, by id. */
  Map<Long, Release> releases() {
    return feed.upToDate();
  }

  /** Waits for the first release that is as asked. */
  Release awaitRelease(String what, Predicate<Release> asked) {
    Instant deadline = Instant.now().plus(PATIENCE);
    while (true) {
      for (Release release : feed.upToDate().values()) {
        if (asked.test(release)) {
          return release;
        }
      }
      stages.requireRunning();
      assertThat(Instant.now()).as("waiting for " + what).isBefore(deadline);
      feed.poll(Duration.ofMillis(200));
    }
  }

  @Override
  public void close() {
    feed.close();
    stages.close();
    registry.close();
    broker.close();
  }
}
