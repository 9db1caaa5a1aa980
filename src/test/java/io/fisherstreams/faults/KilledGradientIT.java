package io.fisherstreams.faults;

import io.fisherstreams.estimation.EstimatedPool;
import io.fisherstreams.faults.Guarantee.EveryExampleCountsOnce;
import io.fisherstreams.faults.Guarantee.OnlyBadRecordsAreRejected;
import io.fisherstreams.gradient.EstimatedSums;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two processes of the gradient stage share a model's examples and are killed with SIGKILL at
 * random moments, among them those between two flushes and within one.
 */
@ExtendWith(FaultReport.Resolver.class)
class KilledGradientIT {
  @TempDir private Path directory;

  private final List<StageProcess> workers = new ArrayList<>();
  private final RandomKills kills = new RandomKills(workers);
  private EmbeddedBroker broker;
  private EmbeddedRegistry registry;
  private EstimatedPool pool;

  @BeforeEach
  void start() throws IOException {
    broker = EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    registry = EmbeddedRegistry.start();
    pool =
        new EstimatedPool(
            new KafkaSettings(broker.bootstrapServers(), Map.of()),
            new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of())));
    Path client = StageProcess.quicklyGivenUp(directory);
    Path config =
        Files.writeString(
            directory.resolve("pool.yaml"),
            "gradient:\n  claim_examples: 24\n  linger_millis: 200\n");
    for (int i = 1; i <= 2; i++) {
      StageProcess worker =
          new StageProcess(
              directory.resolve("gradient-" + i + ".log"),
              List.of(
                  "run",
                  "--stages",
                  "gradient",
                  "--state-directory",
                  directory.resolve("state-" + i).toString(),
                  "--config",
                  config.toString(),
                  "--pool",
                  "pool",
                  "--bootstrap-servers",
                  broker.bootstrapServers(),
                  "--schema-registry",
                  registry.url(),
                  "--command-config",
                  client.toString()));
      worker.start();
      workers.add(worker);
    }
  }

  @AfterEach
  void stop() throws InterruptedException {
    kills.close();
    workers.forEach(StageProcess::close);
    registry.close();
    broker.close();
  }

  private void everyExampleCountsOnceOver(
      FaultReport report, int count, int longestMillis, long seed, long chunk) {
    long began = System.nanoTime();
    ModelManifest model =
        pool.publish("m", "gpt2", new Estimation("exact", 1, 0L, 4, List.of(), 256), 7, chunk);
    pool.awaitInstances(2);
    kills.begin(new Random(seed), count, longestMillis);
    long sent = 0;
    while (kills.count() < count || sent == 0) {
      // a publisher that was killed sends some again
      pool.examples(model, "gpt2", Math.max(0, sent - 10), sent + chunk);
      sent += chunk;
      pool.awaitCounts(model, sent);
    }
    EstimatedSums sums = pool.estimated(model);
    List<Guarantee> guarantees =
        List.of(
            new EveryExampleCountsOnce(sums, sent, "gpt2", "exact"),
            new OnlyBadRecordsAreRejected(0, pool.deadLetters()));
    guarantees.forEach(Guarantee::assertHolds);
    report.add(
        String.format(
            Locale.ROOT,
            "%d kills of gradient instances, seed %d; %d examples in %d claims",
            kills.count(),
            seed,
            sent,
            sums.claims()),
        0,
        0,
        Duration.ofNanos(System.nanoTime() - began),
        guarantees.stream().collect(Collectors.toMap(Guarantee::name, guarantee -> 1)));
  }

  @Test
  @Tag("some-faults")
  void examplesCountOnceWhileAnInstanceIsKilled(FaultReport report) {
    everyExampleCountsOnceOver(report, 3, 3000, 42, 210);
  }

  @Test
  @Tag("faults")
  void examplesCountOnceOverTwentyKills(FaultReport report) {
    long seed = Long.getLong("fisherstreams.seed", System.nanoTime());
    System.out.println("seed " + seed);
    everyExampleCountsOnceOver(report, 20, 6000, seed, 420);
  }
}
