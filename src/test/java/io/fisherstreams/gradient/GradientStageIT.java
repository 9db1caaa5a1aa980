package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.gradient.stage.GradientStage;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.SchemaRegistry;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Examples on a topic become the Fishers that are known from elsewhere. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GradientStageIT {
  private static final double TOLERANCE = 1e-4;
  private static final long EXAMPLES = 7;

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

  private EstimatedPool pool(String name) {
    return new EstimatedPool(kafka, new PoolTopics(name, SchemaRegistry.inMemory()));
  }

  private static Estimation how(String estimator, int batchSize) {
    return new Estimation(estimator, 1, 0L, batchSize, List.of());
  }

  private static void assertIsTheConformanceFisher(
      Map<String, double[]> found, String model, String estimator) {
    Conformance.tensors(Conformance.file(model, "expected-" + estimator + ".safetensors"))
        .forEach(
            (name, values) -> {
              if (!name.endsWith("k_proj.bias")) { // softmax does not see it
                assertThat(Conformance.relativeError(found.get(name), values))
                    .as(name)
                    .isLessThan(TOLERANCE);
              }
            });
  }

  @Test
  void examplesOfSeveralModelsBecomeTheirFishers() {
    EstimatedPool pool = pool("several");
    try (GradientStage stage = pool.start(directory.resolve("several"))) {
      ModelManifest exact = pool.publish("exact", "gpt2", how("exact", 8), EXAMPLES, 0);
      ModelManifest batched = pool.publish("batched", "gpt2", how("fusion_bench", 3), EXAMPLES, 0);
      ModelManifest clip = pool.publish("clip", "clip-vit", how("empirical", 2), EXAMPLES, 0);
      pool.examples(batched, "gpt2", 0, 5); // ends within a batch
      pool.examples(exact, "gpt2", 0, EXAMPLES);
      pool.examples(clip, "clip-vit", 0, EXAMPLES);
      pool.examples(batched, "gpt2", 5, EXAMPLES);
      for (ModelManifest model : List.of(exact, batched, clip)) {
        pool.awaitCounts(model, EXAMPLES);
      }
      assertIsTheConformanceFisher(pool.fisher(exact), "gpt2", "exact");
      assertIsTheConformanceFisher(pool.fisher(batched), "gpt2", "fusion_bench");
      assertIsTheConformanceFisher(pool.fisher(clip), "clip-vit", "empirical");
      assertThat(pool.deadLetters()).isEmpty();
    }
  }

  @Test
  void twoInstancesShareAModelAndAddUpToTheSame() {
    EstimatedPool pool = pool("shared");
    try (GradientStage one = pool.start(directory.resolve("one"));
        GradientStage other = pool.start(directory.resolve("other"))) {
      pool.awaitInstances(2);
      ModelManifest model = pool.publish("m", "gpt2", how("exact", 2), EXAMPLES, 0);
      pool.examples(model, "gpt2", 0, EXAMPLES);
      pool.awaitCounts(model, EXAMPLES);
      assertThat(pool.batches(model).stream().map(GradientBatch::getSource).distinct())
          .hasSizeGreaterThan(1);
      assertIsTheConformanceFisher(pool.fisher(model), "gpt2", "exact");
    }
  }

  @Test
  void anExampleThatComesAgainIsCountedOnce() {
    EstimatedPool pool = pool("again");
    ModelManifest model;
    try (GradientStage stage = pool.start(directory.resolve("again-1"))) {
      model = pool.publish("m", "gpt2", how("exact", 2), EXAMPLES, 0);
      pool.examples(model, "gpt2", 0, 4);
      pool.awaitCounts(model, 4);
      pool.examples(model, "gpt2", 0, 5); // as after a publisher's death
      pool.awaitCounts(model, 5);
    }
    // an instance that knows nothing but the topics
    try (GradientStage stage = pool.start(directory.resolve("again-2"))) {
      pool.examples(model, "gpt2", 0, EXAMPLES);
      pool.awaitCounts(model, EXAMPLES);
      pool.examples(model, "gpt2", 0, EXAMPLES);
      pool.awaitCommitted();
      pool.awaitCounts(model, EXAMPLES);
      assertIsTheConformanceFisher(pool.fisher(model), "gpt2", "exact");
      assertThat(pool.deadLetters()).isEmpty();
    }
  }
}
