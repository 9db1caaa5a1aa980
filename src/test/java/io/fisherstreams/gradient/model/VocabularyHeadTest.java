package io.fisherstreams.gradient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The softmax over a vocabulary in one block and in several, against float64. */
class VocabularyHeadTest {
  private static final int TOKENS = 50;
  private static final int WIDTH = 4;
  private static final int ROWS = 3;
  private static final TensorInfo HEAD =
      new TensorInfo("head", DType.F32, List.of((long) TOKENS, (long) WIDTH));

  private final NDManager manager = NDManager.newBaseManager("PyTorch");
  private final float[] weight = random(TOKENS * WIDTH, 1);
  private final float[] hidden = random(ROWS * WIDTH, 2);
  private final int[] labels = {7, 49, 23};

  private static float[] random(int elements, long seed) {
    Random random = new Random(seed);
    float[] values = new float[elements];
    for (int i = 0; i < elements; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @AfterEach
  void close() {
    manager.close();
  }

  private NDArray rows() {
    return manager.create(hidden, new Shape(ROWS, WIDTH));
  }

  private VocabularyHead head(int blockElements) {
    return new VocabularyHead(parameter(), blockElements);
  }

  private LoadedParameter parameter() {
    return new LoadedParameter(
        HEAD, manager.create(weight, new Shape(TOKENS, WIDTH)), true, Precision.FLOAT32);
  }

  private double[] probabilities(int row) {
    double[] p = new double[TOKENS];
    double sum = 0;
    for (int v = 0; v < TOKENS; v++) {
      double logit = 0;
      for (int j = 0; j < WIDTH; j++) {
        logit += (double) hidden[row * WIDTH + j] * weight[v * WIDTH + j];
      }
      p[v] = Math.exp(logit);
      sum += p[v];
    }
    for (int v = 0; v < TOKENS; v++) {
      p[v] /= sum;
    }
    return p;
  }

  private Softmax softmax(int blockElements, long keptElements) {
    return new Softmax(head(blockElements), rows(), keptElements);
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "30, 0", "30, 60", "30, 1000", "100, 99", "1000, 0", "1000, 1000"})
  void blocksHaveTheWholeSoftmax(int blockElements, long keptElements) {
    Softmax softmax = softmax(blockElements, keptElements);
    double[] found = softmax.logProbabilities(labels);
    int[] mostLikely = softmax.mostLikely();
    for (int row = 0; row < ROWS; row++) {
      double[] p = probabilities(row);
      double[] all = softmax.probabilities(row);
      assertThat(found[row]).isCloseTo(Math.log(p[labels[row]]), within(1e-5));
      for (int v = 0; v < TOKENS; v++) {
        assertThat(p[mostLikely[row]]).isGreaterThanOrEqualTo(p[v]);
        assertThat(all[v]).isCloseTo(p[v], within(1e-6));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "30, 0", "30, 60", "30, 1000", "100, 99", "1000, 0", "1000, 1000"})
  void drawsInvertTheDistributionFunction(int blockElements, long keptElements) {
    Softmax softmax = softmax(blockElements, keptElements);
    for (int wanted = 0; wanted < TOKENS; wanted++) {
      // Just inside both ends of the token's interval; rounding is far less. Among the tokens are
      // the first and the last of each block.
      double[] low = new double[ROWS];
      double[] high = new double[ROWS];
      for (int row = 0; row < ROWS; row++) {
        double[] p = probabilities(row);
        for (int v = 0; v < wanted; v++) {
          low[row] += p[v];
        }
        double margin = Math.min(p[wanted] / 4, 1e-5);
        high[row] = low[row] + p[wanted] - margin;
        low[row] += margin;
      }
      assertThat(softmax.draw(low)).containsExactly(wanted, wanted, wanted);
      assertThat(softmax.draw(high)).containsExactly(wanted, wanted, wanted);
    }
    double end = Math.nextDown(1.0);
    assertThat(softmax.draw(new double[] {end, 0, end})).containsExactly(TOKENS - 1, 0, TOKENS - 1);
  }

  /** Logits of 0 for two tokens and of −∞, as good as, for all others: those have a p of 0. */
  @ParameterizedTest
  @CsvSource({"5, 0", "5, 50", "20, 0", "20, 50", "50, 0", "50, 50"})
  void tokensWithAProbabilityOfZeroAreNeverDrawn(int blockElements, long keptElements) {
    Arrays.fill(weight, -1000);
    Arrays.fill(weight, 12 * WIDTH, 13 * WIDTH, 0);
    Arrays.fill(weight, 29 * WIDTH, 30 * WIDTH, 0);
    Softmax softmax =
        new Softmax(head(blockElements), manager.ones(new Shape(1, WIDTH)), keptElements);
    assertThat(softmax.draw(new double[] {0})).containsExactly(12);
    assertThat(softmax.draw(new double[] {Math.nextDown(0.5)})).containsExactly(12);
    assertThat(softmax.draw(new double[] {0.5})).containsExactly(29);
    assertThat(softmax.draw(new double[] {Math.nextDown(1.0)})).containsExactly(29);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 30, VocabularyHead.BLOCK_ELEMENTS})
  void gradientsAreThoseOfTheDefinition(int blockElements) {
    LoadedParameter parameter = parameter();
    int[] lookedUp = {3, 49, 3};
    for (boolean tied : new boolean[] {false, true}) {
      for (Compute compute : SquaredSumsTest.computes()) {
        for (long keptElements : new long[] {0, 60, 1000}) {
          Softmax softmax = softmax(blockElements, keptElements);
          try (SquaredSums sums = new SquaredSums(new OneMatrix(compute))) {
            RowGradients table = RowGradients.of(backward(sums), new int[][] {lookedUp}, WIDTH);
            float[] gradient =
                new HeadGradient(parameter, tied, sums)
                    .ofTokens(
                        softmax,
                        new int[] {0, ROWS},
                        labels,
                        0.5f,
                        new HeadGradient.Target(0, new int[][] {lookedUp}, table))
                    .toFloatArray();
            assertThat(Arrays.copyOfRange(squares(sums), 3 * WIDTH, 4 * WIDTH))
                .matches(row -> tied == Arrays.equals(row, new float[WIDTH]));
            table.addSquares(parameter, Squaring.EACH, sums);
            assertMatchesDefinition(squares(sums), gradient);
          }
        }
      }
    }
  }

  private Backward backward(SquaredSums sums) {
    return new Backward(
        manager,
        1,
        new Cotangents(new int[1], new float[1][0], Squaring.EACH),
        new Backward.RowRanges(new int[1], new int[] {ROWS}),
        sums);
  }

  private static float[] squares(SquaredSums sums) {
    float[] squares = new float[TOKENS * WIDTH];
    sums.copy("head", 0, squares, 0, squares.length);
    return squares;
  }

  private void assertMatchesDefinition(float[] squares, float[] gradient) {
    for (int v = 0; v < TOKENS; v++) {
      for (int j = 0; j < WIDTH; j++) {
        double expected = weightGradient(v, j);
        assertThat((double) squares[v * WIDTH + j]).isCloseTo(expected * expected, within(1e-5));
      }
    }
    for (int i = 0; i < gradient.length; i++) {
      assertThat((double) gradient[i]).isCloseTo(rowGradient(i / WIDTH, i % WIDTH), within(1e-5));
    }
  }

  /** ½ Σ over rows of (1[label = v] − p_v) h_j. */
  private double weightGradient(int token, int column) {
    double sum = 0;
    for (int row = 0; row < ROWS; row++) {
      double d = (labels[row] == token ? 1 : 0) - probabilities(row)[token];
      sum += 0.5 * d * hidden[row * WIDTH + column];
    }
    return sum;
  }

  /** ½ Σ over tokens of (1[label = v] − p_v) w_vj. */
  private double rowGradient(int row, int column) {
    double[] p = probabilities(row);
    double sum = 0;
    for (int v = 0; v < TOKENS; v++) {
      sum += 0.5 * ((labels[row] == v ? 1 : 0) - p[v]) * weight[v * WIDTH + column];
    }
    return sum;
  }

  /** A runtime of which only the parameters are asked. */
  private record OneMatrix(Compute compute) implements ModelRuntime {
    @Override
    public List<TensorInfo> parameters() {
      return List.of(HEAD);
    }

    @Override
    public boolean sparse(String parameter) {
      return false;
    }

    @Override
    public ForwardPass forward(List<Example> batch) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
      // Nothing is open.
    }
  }
}
