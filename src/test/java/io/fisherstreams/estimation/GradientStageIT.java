package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.gradient.Conformance;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Examples on a topic become the Fishers that independent programs computed. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@SuppressWarnings("try") // stages run while their block does
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
    return new Estimation(estimator, 1, 0L, batchSize, List.of(), 256);
  }

  private static void assertIsTheConformanceFisher(
      EstimatedPool pool, ModelManifest model, String conformance, String estimator) {
    assertThat(pool.estimated(model).errors(conformance, estimator))
        .allSatisfy((name, error) -> assertThat(error).isLessThan(TOLERANCE));
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
      assertIsTheConformanceFisher(pool, exact, "gpt2", "exact");
      assertIsTheConformanceFisher(pool, batched, "gpt2", "fusion_bench");
      assertIsTheConformanceFisher(pool, clip, "clip-vit", "empirical");
      assertThat(pool.deadLetters()).isEmpty();
    }
  }

  @Test
  void twoInstancesShareAModelAndAddUpToWhatOneDoes() {
    EstimatedPool alone = pool("alone");
    ModelManifest model;
    try (GradientStage one = alone.start(directory.resolve("alone"))) {
      model = alone.publish("m", "gpt2", how("exact", 2), EXAMPLES, 0);
      alone.examples(model, "gpt2", 0, EXAMPLES);
      alone.awaitCounts(model, EXAMPLES);
    }
    assertThat(alone.estimated(model).claims()).isEqualTo(1);
    EstimatedPool shared = pool("shared");
    try (GradientStage one = shared.start(directory.resolve("one"));
        GradientStage other = shared.start(directory.resolve("other"))) {
      shared.awaitInstances(2);
      shared.publish("m", "gpt2", how("exact", 2), EXAMPLES, 0);
      shared.examples(model, "gpt2", 0, EXAMPLES);
      shared.awaitCounts(model, EXAMPLES);
    }
    assertThat(shared.estimated(model).batches().stream().map(GradientBatch::getSource).distinct())
        .hasSizeGreaterThan(1);
    Map<String, double[]> expected = alone.estimated(model).fisher();
    Map<String, double[]> found = shared.estimated(model).fisher();
    assertThat(found).hasSameSizeAs(expected);
    expected.forEach(
        (name, values) ->
            assertThat(Conformance.relativeError(found.get(name), values))
                .as(name)
                .isLessThan(1e-6));
    assertIsTheConformanceFisher(shared, model, "gpt2", "exact");
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
      assertIsTheConformanceFisher(pool, model, "gpt2", "exact");
      assertThat(pool.deadLetters()).isEmpty();
    }
  }

  private static Example withLabel(Example example, long label) {
    return new Example(example.origin(), example.index(), label, example.inputs());
  }

  private static Example withToken(Example example, long token) {
    Map<String, InputTensor> inputs = new HashMap<>(example.inputs());
    long[] ids = inputs.get("input_ids").toLongs();
    ids[0] = token;
    inputs.put("input_ids", InputTensor.ofLongs(ids));
    return new Example(example.origin(), example.index(), example.label(), inputs);
  }

  @ParameterizedTest
  @CsvSource({"exact, 8", "fusion_bench, 3"})
  void aBadExampleIsDeadLetteredAndTheOthersCountUntilItIsFixed(String estimator, int batchSize) {
    EstimatedPool pool = pool("bad-" + estimator);
    try (GradientStage stage = pool.start(directory.resolve("bad-" + estimator))) {
      ModelManifest model = pool.publish("m", "gpt2", how(estimator, batchSize), EXAMPLES, 0);
      pool.examples(model, "gpt2", 0, 3);
      pool.examples(model, "gpt2", 3, 4, example -> withLabel(example, 99));
      pool.examples(model, "gpt2", 4, 6);
      pool.examples(model, "gpt2", 6, 7, example -> withToken(example, 1_000_000));
      pool.awaitDeadLetters(2);
      assertThat(pool.deadLetters())
          .anyMatch(reason -> reason.contains("example 3: label 99 is not in 0 … "))
          .anyMatch(reason -> reason.contains("example 6: ") && reason.contains("1000000"));
      pool.awaitCounts(model, 5);
      pool.examples(model, "gpt2", 0, EXAMPLES);
      pool.awaitCounts(model, EXAMPLES);
      if (estimator.equals("exact")) {
        assertIsTheConformanceFisher(pool, model, "gpt2", "exact");
      }
      pool.awaitCommitted();
      assertThat(pool.deadLetters()).hasSize(2);
    }
  }

  @Test
  void aRecordThatIsNoExampleOfACurrentModelIsDeadLettered() {
    EstimatedPool pool = pool("rejected");
    try (GradientStage stage = pool.start(directory.resolve("rejected"))) {
      ModelManifest model = pool.publish("m", "gpt2", how("exact", 8), EXAMPLES, 0);
      byte[] key = "m@1#0".getBytes(StandardCharsets.UTF_8);
      pool.send(pool.topics().examples(), 0, key, "garbage".getBytes(StandardCharsets.UTF_8));
      pool.send(pool.topics().examples(), 1, key, null);
      pool.send(pool.topics().examples(), 2, null, new byte[0]);
      pool.examples(ModelManifest.newBuilder(model).setVersion(2).build(), "gpt2", 0, 1);
      pool.examples(ModelManifest.newBuilder(model).setModel("x").build(), "gpt2", 0, 1);
      pool.examples(model, "gpt2", EXAMPLES, EXAMPLES + 1);
      ModelManifest plain =
          pool.publish("plain", "gpt2", how("exact", 8), 1, 0, m -> m.setEstimation(null));
      pool.examples(
          ModelManifest.newBuilder(plain).setEstimation(how("exact", 8)).build(), "gpt2", 0, 1);
      ModelManifest other =
          pool.publish(
              "other",
              "gpt2",
              how("exact", 8),
              9,
              0,
              m -> m.setConfig("{\"model_type\": \"mlp\"}"));
      pool.examples(other, "gpt2", 0, 2);
      pool.examples(model, "gpt2", 0, EXAMPLES);
      pool.awaitCounts(model, EXAMPLES);
      pool.awaitDeadLetters(9);
      assertThat(String.join("\n", pool.deadLetters()))
          .contains(
              "not a record in the schema registry's wire format",
              "the record has no value",
              "the record has no key",
              "m@2 is unknown: the newest version is 1",
              "model x is unknown or withdrawn",
              "m@1: example 7 is beyond the 7 that it accepts",
              "plain@1 accepts no examples: its manifest has no estimation",
              "config of model other@1: input_size is missing");
      assertIsTheConformanceFisher(pool, model, "gpt2", "exact");
    }
  }

  @Test
  void moreExamplesLaterMakeTheNextEpochAndANewRelease() {
    EstimatedPool pool = pool("refined");
    try (PoolRunner runner =
            PoolRunner.start(
                kafka, pool.topics(), directory.resolve("runner"), 1, PlanPolicy.standard());
        GradientStage stage = pool.start(directory.resolve("refined"))) {
      pool.publishBase("gpt2");
      ModelManifest model = pool.publish("m", "gpt2", how("exact", 8), 4, 3);
      pool.examples(model, "gpt2", 0, 4);
      pool.awaitEpoch("m", 1);
      pool.examples(model, "gpt2", 4, EXAMPLES);
      double squares =
          Conformance.tensors(Conformance.file("gpt2", "expected-exact.safetensors"))
              .values()
              .stream()
              .flatMapToDouble(Arrays::stream)
              .map(f -> f * f)
              .sum();
      assertThat(pool.awaitEpoch("m", 2).getFisherNorm())
          .isCloseTo(Math.sqrt(squares), withinPercentage(0.01));
    }
  }

  @Test
  void aModelWhoseCheckpointIsNotCompleteDoesNotBlockOthers() {
    EstimatedPool pool = pool("incomplete");
    try (GradientStage stage = pool.start(directory.resolve("incomplete"))) {
      ModelManifest late = pool.announce("late", "clip-vit", how("exact", 8), EXAMPLES);
      ModelManifest model = pool.publish("m", "gpt2", how("exact", 8), EXAMPLES, 0);
      pool.examples(late, "clip-vit", 0, EXAMPLES);
      pool.examples(model, "gpt2", 0, EXAMPLES);
      pool.awaitCounts(model, EXAMPLES);
      assertThat(pool.estimated(late).batches()).isEmpty();
      pool.publish("late", "clip-vit", how("exact", 8), EXAMPLES, 0);
      pool.awaitCounts(late, EXAMPLES);
      assertIsTheConformanceFisher(pool, late, "clip-vit", "exact");
    }
  }

  @Test
  void aModelWithoutConfigRunsAsItsOperatorsModuleOrNotAtAll() throws IOException {
    String torchScript = "../../torchscript"; // from the conformance cases' folder
    EstimatedPool pool = pool("torchscript");
    Path modules = Files.createDirectories(directory.resolve("modules"));
    Files.copy(Conformance.file(torchScript, "net.pt"), modules.resolve("net.pt"));
    try (GradientStage stage = pool.start(directory.resolve("module"), Optional.of(modules))) {
      ModelManifest net = pool.publish("net", torchScript, how("exact", 2), 5, 0);
      ModelManifest none = pool.publish("none", torchScript, how("exact", 2), 5, 0);
      pool.examples(net, torchScript, 0, 5);
      pool.examples(none, torchScript, 0, 1);
      pool.awaitCounts(net, 5);
      assertIsTheConformanceFisher(pool, net, torchScript, "exact");
      pool.awaitDeadLetters(1);
      assertThat(pool.deadLetters().get(0))
          .contains("model none@1", "no TorchScript module for it");
    }
  }
}
