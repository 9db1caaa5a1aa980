package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Models with one output: log p = −½ (y − f)². The gradient of f along the last bias is 1, so the
 * bias's Fisher is known without any differentiation.
 */
class RegressionTest {
  private static final float[] VALUES = {0.5f, -2, 3.25f, 0, 1, -0.75f, 2};

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 7})
  void theExactFisherIsTheSquaredGradientOfTheOutput(int batchSize) {
    try (ModelRuntime runtime = model().load();
        ModelRuntime plain = model().loadPlain()) {
      Map<String, double[]> fast =
          Conformance.fisher(runtime, source(), new Estimator.Exact(), batchSize);
      assertThat(fast.get("classifier.bias")[0]).isCloseTo(1, within(1e-6));
      Map<String, double[]> slow =
          Conformance.fisher(plain, source(), new Estimator.Exact(), batchSize);
      slow.forEach(
          (name, values) -> {
            if (!name.endsWith("key.bias")) {
              assertThat(Conformance.relativeError(fast.get(name), values))
                  .as(name)
                  .isLessThan(1e-4);
            }
          });
    }
  }

  @Test
  void theEmpiricalFisherHasTheResidualSquared() {
    try (ModelRuntime runtime = model().load()) {
      float[] outputs = runtime.logits(source().read(0, VALUES.length));
      double expected = 0;
      for (int i = 0; i < VALUES.length; i++) {
        expected += Math.pow(VALUES[i] - outputs[i], 2) / VALUES.length;
      }
      Map<String, double[]> fisher =
          Conformance.fisher(runtime, source(), new Estimator.Empirical(), 4);
      assertThat(fisher.get("classifier.bias")[0]).isCloseTo(expected, within(1e-5 * expected));
      Evaluation evaluation = Evaluation.of(runtime, source(), 3, ExampleProgress.SILENT);
      assertThat(evaluation.accuracy()).isEmpty();
      assertThat(evaluation.meanLogLikelihood()).isCloseTo(-expected / 2, within(1e-5));
    }
  }

  @Test
  void drawnValuesHaveVarianceOne() {
    try (ModelRuntime runtime = model().load()) {
      Map<String, double[]> fisher =
          Conformance.fisher(runtime, source(), new Estimator.Sampled(20_000, 5), 7);
      // The standard error of the mean of 140,000 squares of normal numbers is 0.004.
      assertThat(fisher.get("classifier.bias")[0]).isCloseTo(1, within(0.02));
    }
  }

  @Test
  void fusionBenchIsForClasses() {
    try (ModelRuntime runtime = model().load()) {
      assertThatThrownBy(
              () -> Conformance.fisher(runtime, source(), new Estimator.FusionBench(), 3))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("defined for classes");
    }
  }

  /** The conformance case's BERT with the first row of its classifier. */
  private static RandomModel model() {
    RandomModel model =
        new RandomModel(
            1,
            "{'model_type': 'bert', 'num_labels': 1, 'hidden_size': 16, 'num_attention_heads': 2,"
                + " 'num_hidden_layers': 2, 'intermediate_size': 32, 'vocab_size': 40,"
                + " 'max_position_embeddings': 16}");
    try (Checkpoint file = Checkpoint.open(Conformance.file("bert", "model.safetensors"))) {
      for (TensorInfo info : file.tensors().values()) {
        List<Long> shape = new ArrayList<>(info.shape());
        if (info.name().startsWith("classifier")) {
          shape.set(0, 1L);
        }
        model.tensor(info.name(), shape.stream().mapToLong(Long::longValue).toArray());
        float[] values = model.checkpoint.get(info.name());
        file.slice(info.name(), 0, values.length).asFloatBuffer().get(values);
      }
    }
    return model;
  }

  private static ListSource source() {
    List<Example> examples = new ArrayList<>();
    try (ExampleSource source = Conformance.examples("bert")) {
      for (Example example : source.read(0, VALUES.length)) {
        Map<String, InputTensor> inputs = new HashMap<>(example.inputs());
        inputs.put("labels", InputTensor.ofFloats(List.of(), VALUES[(int) example.index()]));
        examples.add(new Example("values", example.index(), 0, inputs));
      }
    }
    return new ListSource(examples);
  }
}
