package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDManager;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.tensor.TensorInfo;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Σ over examples of squared gradients, one float32 value per parameter element, and the number of
 * examples. The diagonal Fisher is the sum divided by this number.
 *
 * <p>A dense parameter has a sum for each element, see {@link DenseSquares}. In the host's memory
 * an embedding table, of which an example touches few rows, has sums for the touched rows only, see
 * {@link RowSquares}. The sums stay on the runtime's device until they are copied.
 *
 * <p>Owns native memory until {@link #close()}. Not for use by several threads.
 */
public final class SquaredSums implements AutoCloseable {
  private final Map<String, TensorInfo> parameters = new LinkedHashMap<>();
  private final Set<String> sparse = new HashSet<>();
  private final Map<String, DenseSquares> dense = new LinkedHashMap<>();
  private final Map<String, RowSquares> rows = new LinkedHashMap<>();
  private final Map<String, TiledSquares> tiled = new HashMap<>();
  private final Compute compute;
  private final NDManager manager;
  private long examples;

  /**
   * Sums of zero examples for a model's parameters.
   *
   * @param runtime the model whose gradients are to be summed
   */
  public SquaredSums(ModelRuntime runtime) {
    compute = runtime.compute();
    manager = compute.newManager();
    SquaredProducts products = new SquaredProducts();
    for (TensorInfo parameter : runtime.parameters()) {
      String name = parameter.name();
      parameters.put(name, parameter);
      if (runtime.sparse(name)) {
        sparse.add(name);
      }
      if (!compute.fused()) {
        tiled.put(name, new TiledSquares(manager, compute, parameter));
        dense.put(name, tiled.get(name));
      } else if (sparse.contains(name)) {
        rows.put(name, new RowSquares(Math.toIntExact(parameter.shape().get(1))));
      } else {
        dense.put(name, new FusedSquares(manager, products, parameter));
      }
    }
  }

  /** Where the sums are. */
  Compute compute() {
    return compute;
  }

  /** The parameters, in the checkpoint's order. */
  public List<TensorInfo> parameters() {
    return List.copyOf(parameters.values());
  }

  /** How many examples the sums are over. */
  public long examples() {
    return examples;
  }

  /** Counts examples whose squared gradients have all been added. */
  public void count(long moreExamples) {
    examples += moreExamples;
  }

  /**
   * Copies a run of a parameter's sums; elements that no example touched are 0.
   *
   * @param parameter the parameter's name
   * @param firstElement index into the flattened parameter
   * @param target receives {@code elements} values from {@code offset} on
   */
  public void copy(String parameter, long firstElement, float[] target, int offset, int elements) {
    DenseSquares sum = dense.get(parameter);
    if (sum != null) {
      sum.copy(firstElement, target, offset, elements);
    } else {
      rows.get(parameter).copy(firstElement, target, offset, elements);
    }
  }

  /**
   * The non-zero elements of a run, in ascending order of index. Empty for a dense parameter, and
   * when at least half of the run is not zero: elements and indices would then take no less space
   * than the run itself.
   *
   * @param parameter the parameter's name
   * @param firstElement index into the flattened parameter of the run's first element
   * @param elements length of the run
   */
  public Optional<SparseRun> sparseRun(String parameter, long firstElement, int elements) {
    if (!sparse.contains(parameter)) {
      return Optional.empty();
    }
    RowSquares touched = rows.get(parameter);
    SparseRun run =
        touched == null
            ? notZero(parameter, firstElement, elements)
            : touched.run(firstElement, elements);
    return Optional.of(run).filter(found -> 2 * found.indices().length < elements);
  }

  private SparseRun notZero(String parameter, long firstElement, int elements) {
    float[] all = new float[elements];
    copy(parameter, firstElement, all, 0, elements);
    int[] indices = IntStream.range(0, elements).filter(i -> all[i] != 0).toArray();
    float[] values = new float[indices.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = all[indices[i]];
    }
    return new SparseRun(indices, values);
  }

  /**
   * Non-zero elements of a run.
   *
   * @param indices positions relative to the run's first element, ascending
   * @param values the sums at these positions
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  public record SparseRun(int[] indices, float[] values) {}

  /** Sets all sums and the number of examples to zero. Keeps the memory. */
  public void clear() {
    dense.values().forEach(DenseSquares::clear);
    rows.values().forEach(RowSquares::clear);
    examples = 0;
  }

  @Override
  public void close() {
    manager.close();
  }

  DenseSquares dense(LoadedParameter parameter) {
    return dense.get(parameter.name());
  }

  /** The sums of a parameter on a device where nothing is fused. */
  TiledSquares tiled(LoadedParameter parameter) {
    return tiled.get(parameter.name());
  }

  /** Adds the squares of some rows' gradients of a table, whether its sums are dense or not. */
  void addRowSquares(LoadedParameter table, Map<Integer, float[]> gradients) {
    RowSquares touched = rows.get(table.name());
    if (touched != null) {
      gradients.forEach(touched::addSquares);
    } else {
      dense.get(table.name()).addRowSquares(gradients);
    }
  }
}
