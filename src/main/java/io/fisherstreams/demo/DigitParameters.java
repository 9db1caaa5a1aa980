package io.fisherstreams.demo;

import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.fisher.PlainAverage;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Named float32 tensors in a fixed order: a model's parameters, or one number for each of them. The
 * arrays are not copied; nobody may change them afterwards.
 */
public final class DigitParameters implements TensorSource {
  private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
  private final Map<String, float[]> values = new LinkedHashMap<>();

  /**
   * Pairs each tensor with its elements, row by row.
   *
   * @throws IllegalArgumentException when a tensor is not float32, its elements are missing or
   *     their number is wrong, or two tensors have one name
   */
  public DigitParameters(List<TensorInfo> tensors, Map<String, float[]> values) {
    for (TensorInfo tensor : tensors) {
      float[] elements = values.get(tensor.name());
      if (elements == null
          || elements.length != tensor.elements()
          || tensor.dtype() != DType.F32
          || this.tensors.put(tensor.name(), tensor) != null) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: expected one float32 tensor of this name with %d elements, found %s elements",
                tensor,
                tensor.elements(),
                elements == null ? "no" : elements.length));
      }
      this.values.put(tensor.name(), elements);
    }
  }

  /** The plain average of at least one model. All models have the same tensors. */
  static DigitParameters mean(Collection<DigitParameters> models) {
    List<TensorInfo> tensors = models.iterator().next().tensors();
    Map<String, float[]> means = new LinkedHashMap<>();
    for (TensorInfo tensor : tensors) {
      int elements = Math.toIntExact(tensor.elements());
      PlainAverage average = new PlainAverage(elements);
      average.begin(elements);
      models.forEach(model -> average.add(model.values(tensor.name())));
      double[] sums = new double[elements];
      average.finish(sums);
      float[] mean = new float[elements];
      for (int j = 0; j < elements; j++) {
        mean[j] = (float) sums[j];
      }
      means.put(tensor.name(), mean);
    }
    return new DigitParameters(tensors, means);
  }

  @Override
  public String origin() {
    return "the demo";
  }

  @Override
  public List<TensorInfo> tensors() {
    return List.copyOf(tensors.values());
  }

  /**
   * The elements of a tensor, row by row; not copied.
   *
   * @throws IllegalArgumentException when no tensor has this name
   */
  public float[] values(String name) {
    float[] elements = values.get(name);
    if (elements == null) {
      throw new IllegalArgumentException("no tensor " + name + " among " + values.keySet());
    }
    return elements;
  }

  /** Number of elements of all tensors. */
  public long elements() {
    return tensors.values().stream().mapToLong(TensorInfo::elements).sum();
  }

  @Override
  public ByteBuffer slice(String name, long firstElement, int elements) {
    ByteBuffer bytes = ByteBuffer.allocate(elements * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values(name), Math.toIntExact(firstElement), elements);
    return bytes;
  }

  /** Whether both have the same tensors with the same bits. */
  public boolean sameBits(DigitParameters other) {
    return tensors.equals(other.tensors)
        && values.keySet().stream().allMatch(name -> sameBits(values(name), other.values(name)));
  }

  private static boolean sameBits(float[] left, float[] right) {
    // Arrays.equals treats all NaNs as equal. That is enough: a merge that gives any NaN is wrong.
    return Arrays.equals(left, right);
  }
}
