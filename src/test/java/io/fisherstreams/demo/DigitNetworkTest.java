package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherEstimation;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PrimitiveIterator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The network's mathematics against {@link DoubleNetwork}. */
class DigitNetworkTest {
  private static final DigitImages TEST = MnistData.load().test();

  @Test
  void gradientIsThatOfTheMeanCrossEntropy() {
    DigitNetwork network = DigitNetwork.random(5);
    int[] order = new Random(1).ints(100, 0, TEST.count()).toArray();
    try (Trainer trainer = new Trainer()) {
      double loss = trainer.derive(network, TEST, order, 0);
      DoubleNetwork reference = new DoubleNetwork(network.parameters());
      double expectedLoss =
          Arrays.stream(order)
              .mapToDouble(i -> -reference.logProbabilities(TEST, i)[TEST.labels()[i]])
              .sum();
      assertThat(loss).isCloseTo(expectedLoss, within(1e-4 * expectedLoss));
      assertMatches(
          trainer.gradient(),
          (name, j) ->
              -Arrays.stream(order)
                      .mapToDouble(i -> reference.derivatives(TEST, i, name, j)[TEST.labels()[i]])
                      .sum()
                  / order.length,
          8);
    }
  }

  @Test
  void fisherIsTheExpectedSquaredGradientOfEveryExample() {
    DigitNetwork network = DigitNetwork.random(7);
    DigitParameters parameters = network.parameters();
    DoubleNetwork reference = new DoubleNetwork(parameters);
    ModelConfig config = ModelConfig.parse("the demo's config", DigitNetwork.config());
    try (ModelRuntime runtime =
            ModelRuntimes.load(config, parameters, Optional.empty(), Compute.cpu());
        SquaredSums sums = new SquaredSums(runtime)) {
      FisherEstimation estimation = new FisherEstimation(runtime, Estimator.named("exact", 1, 0));
      DigitExamples examples = new DigitExamples("test images", TEST);
      int first = 0;
      for (int size : new int[] {3, 3, 1}) {
        estimation.add(examples.read(first, size), sums);
        assertThat(sums.examples()).isEqualTo(size);
        int[] images = IntStream.range(first, first + size).toArray();
        assertMatches(
            copy(sums),
            (name, j) ->
                Arrays.stream(images).mapToDouble(i -> square(reference, i, name, j)).sum(),
            40);
        sums.clear();
        first += size;
      }
    }
  }

  @Test
  void doubleFisherIsTheExpectedSquaredGradientOfEveryExample() {
    DigitParameters parameters = DigitNetwork.random(7).parameters();
    DoubleNetwork reference = new DoubleNetwork(parameters);
    assertMatches(
        DoubleFisher.rounded(parameters, TEST.first(3)),
        (name, j) ->
            IntStream.range(0, 3)
                .mapToDouble(i -> square(reference, i, name, j))
                .average()
                .orElseThrow(),
        40);
  }

  private static DigitParameters copy(SquaredSums sums) {
    Map<String, float[]> values = new HashMap<>();
    for (TensorInfo tensor : sums.parameters()) {
      float[] copy = new float[(int) tensor.elements()];
      sums.copy(tensor.name(), 0, copy, 0, copy.length);
      values.put(tensor.name(), copy);
    }
    return new DigitParameters(sums.parameters(), values);
  }

  private static double square(DoubleNetwork reference, int image, String name, int j) {
    double[] logProbabilities = reference.logProbabilities(TEST, image);
    double[] derivatives = reference.derivatives(TEST, image, name, j);
    double sum = 0;
    for (int c = 0; c < derivatives.length; c++) {
      sum += Math.exp(logProbabilities[c]) * derivatives[c] * derivatives[c];
    }
    return sum;
  }

  private interface Expected {
    double at(String name, int j);
  }

  /** Compares the largest entry of every tensor and some drawn at random. */
  private static void assertMatches(DigitParameters actual, Expected expected, int drawn) {
    Random random = new Random(3);
    for (TensorInfo tensor : actual.tensors()) {
      float[] values = actual.values(tensor.name());
      int largest =
          IntStream.range(0, values.length)
              .reduce((a, b) -> Math.abs(values[a]) >= Math.abs(values[b]) ? a : b)
              .orElseThrow();
      assertThat(Math.abs(values[largest])).isPositive();
      PrimitiveIterator.OfInt entries =
          IntStream.concat(IntStream.of(largest), random.ints(drawn, 0, values.length)).iterator();
      while (entries.hasNext()) {
        int j = entries.nextInt();
        assertThat((double) values[j])
            .as("%s[%d]", tensor.name(), j)
            .isCloseTo(expected.at(tensor.name(), j), within(1e-5 * Math.abs(values[largest])));
      }
    }
  }

  @Test
  void accuracyCountsTheRightlyReadImages() {
    DigitNetwork network = DigitNetwork.random(11);
    DoubleNetwork reference = new DoubleNetwork(network.parameters());
    // 700 images: one full pass and one that is not.
    DigitImages some = TEST.first(700);
    long right =
        IntStream.range(0, 700)
            .filter(
                i -> {
                  double[] p = reference.logProbabilities(some, i);
                  return Arrays.stream(p).max().orElseThrow() == p[some.labels()[i]];
                })
            .count();
    try (Accuracy accuracy = new Accuracy()) {
      assertThat(accuracy.of(network, some)).isEqualTo(right / 700.0);
    }
  }

  @Test
  void adamStepsAsPublished() {
    // By hand, learning rate 0.1: after gradient 2, m = 0.2, v = 0.004, both unbiased to 2 and 4;
    // after gradient -1, m = 0.08 / 0.19, v = 0.004996 / 0.001999.
    float[] values = {1f};
    Trainer.Moments moments = new Trainer.Moments(1);
    moments.step(values, new float[] {2f}, 0.1, 1);
    assertThat(values[0]).isCloseTo(0.9f, within(1e-6f));
    moments.step(values, new float[] {-1f}, 0.1, 2);
    double expected = 0.9 - 0.1 * (0.08 / 0.19) / Math.sqrt(0.004996 / 0.001999);
    assertThat((double) values[0]).isCloseTo(expected, within(1e-6));
  }

  @Test
  void trainingIsRepeatableAndLearns() {
    DigitImages train = TEST.first(1000);
    try (Trainer trainer = new Trainer();
        Accuracy accuracy = new Accuracy()) {
      DigitNetwork start = DigitNetwork.random(1);
      DigitParameters before = start.parameters();
      DigitNetwork once = trainer.train(start, train, 3, 1e-3, 9, (epoch, loss) -> {});
      DigitNetwork again = trainer.train(start, train, 3, 1e-3, 9, (epoch, loss) -> {});
      assertThat(start.parameters().sameBits(before)).isTrue();
      assertThat(once.parameters().sameBits(again.parameters())).isTrue();
      assertThat(once.parameters().sameBits(before)).isFalse();
      assertThat(accuracy.of(once, train)).isGreaterThan(0.8);
    }
  }

  @Test
  void parametersGoOutAndInUnchanged() {
    DigitParameters parameters = DigitNetwork.random(3).parameters();
    assertThat(parameters.tensors())
        .extracting(TensorInfo::name)
        .containsExactly(
            "layers.0.weight",
            "layers.0.bias",
            "layers.1.weight",
            "layers.1.bias",
            "layers.2.weight",
            "layers.2.bias");
    assertThat(parameters.elements()).isEqualTo(784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10);
    assertThat(DigitNetwork.of(parameters).parameters().sameBits(parameters)).isTrue();
    TensorInfo first = parameters.tensors().iterator().next();
    DigitParameters part =
        new DigitParameters(List.of(first), Map.of(first.name(), parameters.values(first.name())));
    assertThatThrownBy(() -> DigitNetwork.of(part)).isInstanceOf(IllegalArgumentException.class);
  }
}
