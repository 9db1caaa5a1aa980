package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Examples in a safetensors file: {@code labels}, and every other tensor an input of that name
 * whose first dimension counts the examples. Labels are classes (examples), integers; values
 * (examples), floating; or one token at each position (examples, positions), integers.
 */
public final class SafetensorsExamples implements ExampleSource {
  private static final String LABELS = Example.LABELS;

  private final Checkpoint file;
  private final long count;

  private SafetensorsExamples(Checkpoint file, long count) {
    this.file = file;
    this.count = count;
  }

  /**
   * Opens a file.
   *
   * @throws InvalidInput when it is no safetensors file, has no labels, or its tensors disagree on
   *     the number of examples
   */
  public static SafetensorsExamples open(Path path) {
    Checkpoint file = Checkpoint.open(path);
    try {
      return new SafetensorsExamples(file, checkedCount(file));
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private static long checkedCount(Checkpoint file) {
    TensorInfo labels = file.tensors().get(LABELS);
    int dimensions = labels == null ? 0 : labels.shape().size();
    if (dimensions < 1 || dimensions > 2) {
      throw new InvalidInput(
          "%s: expected a tensor labels (examples) or (examples, positions), found %s"
              .formatted(file.path(), labels == null ? file.tensors().keySet() : labels.shape()));
    }
    long count = labels.shape().get(0);
    for (TensorInfo tensor : file.tensors().values()) {
      if (tensor.shape().isEmpty() || tensor.shape().get(0) != count) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "%s: tensor %s: expected %d examples as in labels, found shape %s",
                file.path(),
                tensor.name(),
                count,
                tensor.shape()));
      }
    }
    if (file.tensors().size() == 1) {
      throw new InvalidInput("%s: no input beside labels".formatted(file.path()));
    }
    if (!isIntegral(labels) && (dimensions == 2 || !labels.dtype().mergeable())) {
      throw new InvalidInput(
          "%s: tensor labels: expected integers, or one number an example, found %s %s"
              .formatted(file.path(), labels.dtype(), labels.shape()));
    }
    return count;
  }

  private static boolean isIntegral(TensorInfo tensor) {
    return new InputTensor(tensor.dtype(), List.of(0L), ByteBuffer.allocate(0)).integral();
  }

  @Override
  public String origin() {
    return file.path().toString();
  }

  @Override
  public long count() {
    return count;
  }

  @Override
  public List<Example> read(long first, int examples) {
    List<Example> batch = new ArrayList<>(examples);
    for (long index = first; index < first + examples; index++) {
      Map<String, InputTensor> inputs = new HashMap<>();
      long label = 0;
      for (TensorInfo tensor : file.tensors().values()) {
        InputTensor value = row(tensor, index);
        if (tensor.name().equals(LABELS) && tensor.shape().size() == 1 && isIntegral(tensor)) {
          label = value.toLongs()[0];
        } else {
          inputs.put(tensor.name(), value);
        }
      }
      batch.add(new Example(origin(), index, label, inputs));
    }
    return batch;
  }

  private InputTensor row(TensorInfo tensor, long index) {
    List<Long> shape = tensor.shape().subList(1, tensor.shape().size());
    int elements = Math.toIntExact(tensor.elements() / count);
    // A copy: closing this source unmaps the file, and the example may be used longer.
    ByteBuffer bytes =
        ByteBuffer.allocate(elements * tensor.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
    bytes.put(file.slice(tensor.name(), index * elements, elements)).flip();
    return new InputTensor(tensor.dtype(), shape, bytes);
  }

  @Override
  public List<Path> files() {
    return List.of(file.path());
  }

  @Override
  public void close() {
    file.close();
  }
}
