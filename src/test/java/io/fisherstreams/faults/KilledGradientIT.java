package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.cli.Main;
import io.fisherstreams.estimation.EstimatedPool;
import io.fisherstreams.faults.Guarantee.EveryExampleCountsOnce;
import io.fisherstreams.faults.Guarantee.OnlyBadRecordsAreRejected;
import io.fisherstreams.gradient.Conformance;
import io.fisherstreams.gradient.EstimatedSums;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.local.PoolRunner;
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
 * Two processes of the gradient stage share the models' examples and are killed with SIGKILL: at
 * random moments, among them those between two flushes and within one, or for good.
 */
@ExtendWith(FaultReport.Resolver.class)
@SuppressWarnings("try") // stages run while their block does
class KilledGradientIT {
  /** Examples of a language model before an instance is killed, and after. */
  private static final long HALF = 24;

  @TempDir private Path directory;

  private final List<StageProcess> workers = new ArrayList<>();
  private final RandomKills kills = new RandomKills(workers);
  private EmbeddedBroker broker;
  private EmbeddedRegistry registry;
  private EstimatedPool pool;
  private List<String> connection;

  @BeforeEach
  void start() throws IOException {
    broker = EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    registry = EmbeddedRegistry.start();
    pool =
        new EstimatedPool(
            new KafkaSettings(broker.bootstrapServers(), Map.of()),
            new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of())));
    Path client = StageProcess.quicklyGivenUp(directory);
    connection =
        List.of(
            "--pool",
            "pool",
            "--bootstrap-servers",
            broker.bootstrapServers(),
            "--schema-registry",
            registry.url(),
            "--command-config",
            client.toString());
  }

  /** Starts two instances that flush after so many examples of a model. */
  private void startWorkers(int claimExamples) throws IOException {
    Path config =
        Files.writeString(
            directory.resolve("pool.yaml"),
            "gradient:\n  claim_examples: " + claimExamples + "\n  linger_millis: 200\n");
    for (int i = 1; i <= 2; i++) {
      List<String> line =
          new ArrayList<>(List.of("run", "--stages", "gradient", "--config", config.toString()));
      line.addAll(List.of("--state-directory", directory.resolve("state-" + i).toString()));
      line.addAll(connection);
      StageProcess worker = new StageProcess(directory.resolve("gradient-" + i + ".log"), line);
      worker.start();
      workers.add(worker);
    }
    pool.awaitInstances(2);
  }

  @AfterEach
  void stop() throws InterruptedException {
    kills.close();
    workers.forEach(StageProcess::close);
    registry.close();
    broker.close();
  }

  private void everyExampleCountsOnceOver(
      FaultReport report, int count, int longestMillis, long seed, long chunk) throws IOException {
    startWorkers(24);
    long began = System.nanoTime();
    ModelManifest model =
        pool.publish("m", "gpt2", new Estimation("exact", 1, 0L, 4, List.of(), 256), 7, chunk);
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
  void examplesCountOnceWhileAnInstanceIsKilled(FaultReport report) throws IOException {
    everyExampleCountsOnceOver(report, 3, 3000, 42, 210);
  }

  @Test
  @Tag("faults")
  void examplesCountOnceOverTwentyKills(FaultReport report) throws IOException {
    long seed = Long.getLong("fisherstreams.seed", System.nanoTime());
    System.out.println("seed " + seed);
    everyExampleCountsOnceOver(report, 20, 6000, seed, 420);
  }

  /**
   * Two causal decoders arrive, and an instance is killed for good amid their examples. The
   * estimator exact takes a backward pass for each target and token: about 200 an example.
   */
  @Test
  @Tag("faults")
  void aLanguageModelsReleaseComesAlthoughAnInstanceIsKilled(FaultReport report)
      throws IOException {
    startWorkers(6);
    long began = System.nanoTime();
    List<Guarantee> guarantees;
    try (PoolRunner runner = pool.runner(directory.resolve("runner"))) {
      pool.publishBase("llama-lm");
      ModelManifest a = publish("a", "llama-lm", "exact");
      ModelManifest b = publish("b", "llama-lm-rope3", "empirical");
      pool.examples(b, "llama-lm-rope3", 0, HALF);
      pool.examples(a, "llama-lm", 0, HALF);
      pool.awaitSomeCounted(a);
      workers.get(0).kill();
      // a publisher that was killed sends some again
      pool.examples(b, "llama-lm-rope3", HALF - 5, 2 * HALF);
      pool.examples(a, "llama-lm", HALF - 5, 2 * HALF);
      pool.awaitEpoch("a", 1);
      pool.awaitEpoch("b", 1);
      guarantees =
          List.of(
              new EveryExampleCountsOnce(pool.estimated(a), 2 * HALF, "llama-lm", "exact"),
              new EveryExampleCountsOnce(pool.accumulated(a), 2 * HALF, "llama-lm", "exact"),
              new EveryExampleCountsOnce(
                  pool.estimated(b), 2 * HALF, "llama-lm-rope3", "empirical"),
              new ReleaseIsMergeOfFishers(export(), mergeOfExpected()),
              new OnlyBadRecordsAreRejected(0, pool.deadLetters()));
    }
    guarantees.forEach(Guarantee::assertHolds);
    report.add(
        "a gradient instance is killed for good amid the examples of two language models",
        2,
        2,
        Duration.ofNanos(System.nanoTime() - began),
        guarantees.stream()
            .collect(Collectors.toMap(Guarantee::name, guarantee -> 1, Integer::sum)));
  }

  private ModelManifest publish(String model, String conformance, String estimator) {
    Estimation how = new Estimation(estimator, 1, 0L, 3, List.of(), 256);
    return pool.publish(model, conformance, how, 2 * HALF, 0);
  }

  private Path export() {
    Path file = directory.resolve("exported.safetensors");
    List<String> line = new ArrayList<>(List.of("export", "-o", file.toString()));
    line.addAll(connection);
    assertThat(Main.run(line.toArray(String[]::new))).isZero();
    return file;
  }

  /** What the merge command makes of the Fishers of the conformance data. */
  private Path mergeOfExpected() throws IOException {
    String yaml =
        """
        base: %1$s/model.safetensors
        models:
          - {name: a, checkpoint: %1$s/model.safetensors, fisher: %1$s/expected-exact.safetensors}
          - {name: b, checkpoint: %2$s/model.safetensors, fisher: %2$s/expected-empirical.safetensors}
        """
            .formatted(folder("llama-lm"), folder("llama-lm-rope3"));
    Path file = Files.writeString(directory.resolve("merge.yaml"), yaml);
    Path merged = directory.resolve("merged.safetensors");
    assertThat(Main.run("merge", file.toString(), "-o", merged.toString())).isZero();
    return merged;
  }

  private static Path folder(String conformance) {
    return Conformance.file(conformance, "model.safetensors").toAbsolutePath().getParent();
  }

  /** A release has the weights that a merge of Fishers from elsewhere gives. */
  private record ReleaseIsMergeOfFishers(Path released, Path expected) implements Guarantee {
    @Override
    public void assertHolds() {
      Map<String, double[]> found = Conformance.tensors(released);
      Map<String, double[]> merged = Conformance.tensors(expected);
      assertThat(found.keySet()).isEqualTo(merged.keySet());
      merged.forEach(
          (name, weights) ->
              assertThat(Conformance.relativeError(found.get(name), weights))
                  .as(name)
                  .isLessThan(1e-4));
    }

    @Override
    public String name() {
      return "a release is the merge of Fishers that are known from elsewhere";
    }
  }
}
