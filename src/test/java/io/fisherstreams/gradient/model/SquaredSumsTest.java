package io.fisherstreams.gradient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SquaredSumsTest {
  private static final TensorInfo DENSE = new TensorInfo("dense", DType.F32, List.of(700L, 1000L));
  private static final TensorInfo TABLE = new TensorInfo("table", DType.BF16, List.of(6L, 4L));

  private final NDManager manager = NDManager.newBaseManager("PyTorch");
  private final LoadedParameter dense = parameter(DENSE);
  private final LoadedParameter table = parameter(TABLE);
  private SquaredSums sums;

  static List<Compute> computes() {
    return List.of(Compute.cpu(), Compute.on(Device.cpu(), Precision.FLOAT32));
  }

  private static LoadedParameter parameter(TensorInfo info) {
    return new LoadedParameter(info, null, true, Precision.FLOAT32);
  }

  @AfterEach
  void close() {
    sums.close();
    manager.close();
  }

  @ParameterizedTest
  @MethodSource("computes")
  void tiledProductsEqualTheWholeProduct(Compute compute) {
    sums = new SquaredSums(new Shapes(compute));
    // 700 × 1000 elements are two tiles.
    NDArray left = manager.randomNormal(new Shape(5, 700));
    NDArray right = manager.randomNormal(new Shape(5, 1000));
    sums.dense(dense).addSquaredProduct(left, right);
    Cotangents one = new Cotangents(new int[1], new float[1][0], Cotangents.Squaring.EACH);
    Backward.RowRanges all = new Backward.RowRanges(new int[1], new int[] {5});
    new Backward(manager, 1, one, all, sums)
        .addMatrixSquares(dense, left.expandDims(0), right.expandDims(0), true);
    int[] starts = {0, 5};
    NDArray first = left.get(NDIndex.sliceAxis(1, 0, 256));
    NDArray second = left.get(NDIndex.sliceAxis(1, 256, 700));
    sums.dense(dense).addSquaredProducts(0, first, right, starts);
    sums.dense(dense).addSquaredProducts(256, second, right, starts);
    float[] x = left.toFloatArray();
    float[] d = right.toFloatArray();
    float[] found = read(0, 700_000);
    for (int i = 0; i < 700; i += 7) {
      for (int j = 0; j < 1000; j += 11) {
        double gradient = 0;
        for (int t = 0; t < 5; t++) {
          gradient += (double) x[t * 700 + i] * d[t * 1000 + j];
        }
        double expected = 3 * gradient * gradient;
        assertThat((double) found[i * 1000 + j]).isCloseTo(expected, within(1e-4 * (1 + expected)));
      }
    }
    assertThat(read(123_456, 10)).containsExactly(Arrays.copyOfRange(found, 123_456, 123_466));
  }

  @ParameterizedTest
  @MethodSource("computes")
  void manyExamplesDoNotLosePrecision(Compute compute) {
    sums = new SquaredSums(new Shapes(compute));
    // The worst that (1024 + 100,001/1024) roundings of 2⁻²⁴ can do is 6.7e-5.
    TensorInfo small = new TensorInfo("small", DType.F32, List.of(3L));
    LoadedParameter parameter = parameter(small);
    float naive = 0;
    try (SquaredSums own = new SquaredSums(new Shapes(compute, List.of(small)));
        NDArray gradient = manager.create(new float[] {0.1f, 0.2f, 0}, new Shape(1, 3))) {
      int n = 100_001;
      for (int i = 0; i < n; i++) {
        // As in a backward pass, whose scope ends before the sums are read.
        Scratch.run(() -> own.dense(parameter).addSquares(gradient));
        naive += 0.1f * 0.1f;
      }
      float[] found = new float[3];
      own.copy("small", 0, found, 0, 3);
      double expected = n * (double) (0.1f * 0.1f);
      assertThat(Math.abs(naive - expected) / expected).isGreaterThan(1e-4);
      assertThat(Math.abs(found[0] - expected) / expected).isLessThan(7e-5);
      assertThat(found[2]).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("computes")
  void onlyTouchedRowsOfAnEmbeddingAreKept(Compute compute) {
    sums = new SquaredSums(new Shapes(compute));
    sums.addRowSquares(table, Map.of(4, new float[] {1, 2, 0, 3}));
    sums.addRowSquares(table, Map.of(1, new float[] {5, 0, 0, 1}));
    sums.addRowSquares(table, Map.of(4, new float[] {1, 1, 0, 1}));
    float[] all = new float[24];
    sums.copy("table", 0, all, 0, 24);
    float[] expected = new float[24];
    expected[4] = 25;
    expected[7] = 1;
    expected[16] = 2;
    expected[17] = 5;
    expected[19] = 10;
    assertThat(all).containsExactly(expected);

    SquaredSums.SparseRun run = sums.sparseRun("table", 5, 13).orElseThrow();
    assertThat(run.indices()).containsExactly(2, 11, 12);
    assertThat(run.values()).containsExactly(1f, 2f, 5f);
    assertThat(sums.sparseRun("table", 8, 8).orElseThrow().indices()).isEmpty();
    assertThat(sums.sparseRun("table", 16, 6)).as("half of it is not zero").isEmpty();
    assertThat(sums.sparseRun("table", 16, 7)).isPresent();
    assertThat(sums.sparseRun("dense", 0, 2)).isEmpty();
    float[] part = {-1, -1, -1, -1};
    sums.copy("table", 15, part, 1, 3);
    assertThat(part).containsExactly(-1, 0, 2, 5);
  }

  @ParameterizedTest
  @MethodSource("computes")
  void clearForgetsEverythingEvenWhatIsNotFinite(Compute compute) {
    sums = new SquaredSums(new Shapes(compute));
    float[] values = new float[700_000];
    values[0] = Float.NaN;
    try (NDArray bad = manager.create(values, new Shape(1, values.length))) {
      sums.dense(dense).addSquares(bad);
    }
    sums.addRowSquares(table, Map.of(0, new float[] {1, 1, 1, 1}));
    sums.count(3);
    assertThat(read(0, 1)[0]).isNaN();
    sums.clear();
    assertThat(sums.examples()).isZero();
    assertThat(read(0, 2)).containsExactly(0, 0);
    assertThat(sums.sparseRun("table", 0, 24).orElseThrow().indices()).isEmpty();
  }

  private float[] read(long first, int elements) {
    float[] values = new float[elements];
    sums.copy("dense", first, values, 0, elements);
    return values;
  }

  /** A runtime of which only the parameters are asked. */
  private record Shapes(Compute compute, List<TensorInfo> parameters) implements ModelRuntime {
    Shapes(Compute compute) {
      this(compute, List.of(DENSE, TABLE));
    }

    @Override
    public boolean sparse(String parameter) {
      return parameter.equals("table");
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
