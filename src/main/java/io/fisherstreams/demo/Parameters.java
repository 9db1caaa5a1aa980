package io.fisherstreams.demo;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.fisher.PlainAverage;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Named float32 tensors of one shape each, in a fixed order: a model's parameters, or one number
 * for each of them. The arrays are handed over, not copied: nobody changes them afterwards.
 */
public final class Parameters {
  private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
  private final Map<String, float[]> values = new LinkedHashMap<>();

  /**
   * Pairs each tensor with its elements, row by row.
   *
   * @throws IllegalArgumentException when one has no elements, another number of them, a type other
   *     than float32, or a name twice
   */
  public Parameters(List<TensorInfo> tensors, Map<String, float[]> values) {
    for (TensorInfo tensor : tensors) {
      float[] elements = values.get(tensor.name());
      if (elements == null
          || elements.length != tensor.elements()
          || tensor.dtype() != DType.F32
          || this.tensors.put(tensor.name(), tensor) != null) {
        throw new IllegalArgumentException("no float32 elements for, or a second, " + tensor);
      }
      this.values.put(tensor.name(), elements);
    }
  }

  /** The plain average of at least one model; all have the same tensors. */
  static Parameters mean(Collection<Parameters> models) {
    List<TensorInfo> tensors = List.copyOf(models.iterator().next().tensors());
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
    return new Parameters(tensors, means);
  }

  /** The tensors, in order. */
  public Collection<TensorInfo> tensors() {
    return Collections.unmodifiableCollection(tensors.values());
  }

  /**
   * The elements of a tensor, row by row.
   *
   * @throws IllegalArgumentException when there is none of this name
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

  /**
   * A run of a tensor's elements, little-endian.
   *
   * @param firstElement index of the first in the flattened tensor
   */
  public ByteBuffer bytes(String name, int firstElement, int count) {
    ByteBuffer bytes = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values(name), firstElement, count);
    return bytes;
  }

  /**
   * Writes a safetensors file, which appears complete or not at all.
   *
   * @throws io.fisherstreams.InvalidInput when there can be no such file
   */
  public void writeTo(Path file) {
    try (CheckpointWriter writer = CheckpointWriter.file(file, tensors(), Map.of("format", "pt"))) {
      values.forEach((name, elements) -> writer.write(name, 0, bytes(name, 0, elements.length)));
      writer.commit();
    }
  }

  /** Whether both have the same tensors with the same bits. */
  public boolean sameBits(Parameters other) {
    return tensors.equals(other.tensors)
        && values.keySet().stream().allMatch(name -> sameBits(values(name), other.values(name)));
  }

  private static boolean sameBits(float[] left, float[] right) {
    // Arrays.equals compares floats by floatToIntBits, which takes all NaNs for one; a merge that
    // gives a NaN is wrong whatever its payload.
    return Arrays.equals(left, right);
  }
}
