package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.fisherstreams.gradient.Conformance;
import io.fisherstreams.gradient.EstimatedSums;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A model of each architecture goes from the examples topic through the gradient stage into a
 * release, on one broker.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@SuppressWarnings("try") // stages run while their block does
class ArchitecturePipelineIT {
  private static final double TOLERANCE = 1e-4;

  /** Below it, a key bias, which softmax does not see, has float64 rounding errors only. */
  private static final double ROUNDING = 1e-30;

  private Path directory;
  private EmbeddedBroker broker;
  private KafkaSettings kafka;

  @BeforeAll
  void start(@TempDir Path temporary) {
    directory = temporary;
    broker = EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
  }

  @AfterAll
  void stop() {
    broker.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bert",
        "roberta",
        "distilbert",
        "vit",
        "clip-vit",
        "gpt2",
        "gpt2-lm",
        "llama-cls-left",
        "llama-lm",
        "mistral-lm",
        "qwen2-lm",
        "t5"
      })
  void examplesOfEveryArchitectureMakeARelease(String model) {
    EstimatedPool pool = new EstimatedPool(kafka, new PoolTopics(model, SchemaRegistry.inMemory()));
    long examples = Conformance.count(model);
    ModelManifest manifest;
    double norm;
    try (PoolRunner runner = pool.runner(directory.resolve(model));
        GradientStage stage = pool.start(directory.resolve(model + "-gradient"))) {
      pool.publishBase(model);
      Estimation exact = new Estimation("exact", 1, 0L, 4, List.of(), 256);
      manifest = pool.publish("m", model, exact, examples, 0);
      pool.examples(manifest, model, 0, examples);
      norm = pool.awaitEpoch("m", 1).getFisherNorm();
    }
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file(model, "expected-exact.safetensors"));
    EstimatedSums sums = pool.estimated(manifest);
    assertThat(sums.counts().values()).containsOnly(examples);
    Map<String, double[]> found = sums.fisher();
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    expected.forEach((name, values) -> assertIsClose(name, found.get(name), values));
    double squares =
        expected.values().stream().flatMapToDouble(Arrays::stream).map(f -> f * f).sum();
    assertThat(norm).isCloseTo(Math.sqrt(squares), withinPercentage(0.01));
    assertThat(pool.deadLetters()).isEmpty();
  }

  private static void assertIsClose(String name, double[] found, double[] expected) {
    if (Arrays.stream(expected).max().orElseThrow() < ROUNDING) {
      assertThat(found).as(name).containsOnly(0);
    } else {
      assertThat(Conformance.relativeError(found, expected)).as(name).isLessThan(TOLERANCE);
    }
  }
}
