package io.fisherstreams.gradient.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A frozen head's tensors, and the names of its classes if the file has them.
 *
 * <p>For a zero-shot head the class embeddings are one tensor {@code text_embeds} (classes,
 * projection), optionally with the names in the metadata entry {@code class_names} (a JSON list);
 * or one tensor {@code text_embeds.NAME} per class, (projection) or (prompts, projection). Several
 * prompts are each scaled to length 1 and averaged; the classes are in the order of their names.
 *
 * @param tensors the head's tensors
 * @param classNames names by class, empty when unknown
 */
public record Head(TensorSource tensors, List<String> classNames) {
  private static final String EMBEDDINGS = "text_embeds";
  private static final String CLASS_PREFIX = EMBEDDINGS + ".";

  /** Copies the names. */
  public Head {
    classNames = List.copyOf(classNames);
  }

  /**
   * The head in a safetensors file, which must stay open as long as the tensors are read.
   *
   * @throws InvalidInput when its class embeddings or names are not as described above
   */
  public static Head of(Checkpoint file) {
    List<TensorInfo> byClass =
        file.tensors().values().stream()
            .filter(tensor -> tensor.name().startsWith(CLASS_PREFIX))
            .toList();
    if (byClass.isEmpty()) {
      return new Head(TensorSource.of(file), listedNames(file));
    }
    if (file.tensors().containsKey(EMBEDDINGS)) {
      throw new InvalidInput(
          "%s: contains both %s and %s".formatted(file.path(), EMBEDDINGS, byClass.get(0).name()));
    }
    List<String> names =
        byClass.stream().map(tensor -> tensor.name().substring(CLASS_PREFIX.length())).toList();
    return new Head(new Stacked(file, byClass), names);
  }

  /** The class of a name. */
  public Optional<Long> classNamed(String name) {
    int index = classNames.indexOf(name);
    return index < 0 ? Optional.empty() : Optional.of((long) index);
  }

  private static List<String> listedNames(Checkpoint file) {
    String json = file.metadata().get("class_names");
    if (json == null) {
      return List.of();
    }
    List<String> names;
    try {
      names = Arrays.asList(new ObjectMapper().readValue(json, String[].class));
    } catch (JsonProcessingException e) {
      throw new InvalidInput(
          "%s: metadata class_names: expected a JSON list of names, found %s"
              .formatted(file.path(), json),
          e);
    }
    TensorInfo embeddings = file.tensors().get(EMBEDDINGS);
    if (embeddings != null
        && !embeddings.shape().isEmpty()
        && embeddings.shape().get(0) != names.size()) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: metadata class_names has %d names, %s has shape %s",
              file.path(),
              names.size(),
              EMBEDDINGS,
              embeddings.shape()));
    }
    return names;
  }

  /** A head whose {@code text_embeds} is composed of one tensor per class. */
  private static final class Stacked implements TensorSource {
    private final Checkpoint file;
    private final List<TensorInfo> tensors;
    private final float[] embeddings;

    Stacked(Checkpoint file, List<TensorInfo> byClass) {
      this.file = file;
      int width = width(file, byClass.get(0));
      this.embeddings = new float[byClass.size() * width];
      for (int i = 0; i < byClass.size(); i++) {
        float[] embedding = embedding(file, byClass.get(i), width);
        System.arraycopy(embedding, 0, embeddings, i * width, width);
      }
      this.tensors = new ArrayList<>();
      tensors.add(
          new TensorInfo(EMBEDDINGS, DType.F32, List.of((long) byClass.size(), (long) width)));
      file.tensors().values().stream()
          .filter(tensor -> !tensor.name().startsWith(CLASS_PREFIX))
          .forEach(tensors::add);
    }

    private static int width(Checkpoint file, TensorInfo tensor) {
      int dimensions = tensor.shape().size();
      if (dimensions < 1 || dimensions > 2 || tensor.elements() == 0) {
        throw new InvalidInput(
            "%s: tensor %s: expected shape (projection) or (prompts, projection), found %s"
                .formatted(file.path(), tensor.name(), tensor.shape()));
      }
      return Math.toIntExact(tensor.shape().get(dimensions - 1));
    }

    private static float[] embedding(Checkpoint file, TensorInfo tensor, int width) {
      if (width(file, tensor) != width || !tensor.dtype().mergeable()) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "%s: tensor %s: expected floating values of width %d as in the first class, found %s %s",
                file.path(),
                tensor.name(),
                width,
                tensor.dtype(),
                tensor.shape()));
      }
      int elements = Math.toIntExact(tensor.elements());
      double[] prompts = new double[elements];
      ByteBuffer bytes = file.slice(tensor.name(), 0, elements);
      FloatCodec.toDouble(tensor.dtype(), bytes, bytes.position(), prompts, 0, elements);
      float[] mean = new float[width];
      double[] sum = new double[width];
      for (int start = 0; start < elements; start += width) {
        double length = 0;
        for (int i = start; i < start + width; i++) {
          length += prompts[i] * prompts[i];
        }
        for (int i = 0; i < width; i++) {
          sum[i] += prompts[start + i] / Math.sqrt(length);
        }
      }
      for (int i = 0; i < width; i++) {
        mean[i] = (float) (sum[i] * width / elements);
      }
      return mean;
    }

    @Override
    public String origin() {
      return file.path().toString();
    }

    @Override
    public List<TensorInfo> tensors() {
      return List.copyOf(tensors);
    }

    @Override
    public ByteBuffer slice(String name, long firstElement, int elements) {
      if (!name.equals(EMBEDDINGS)) {
        return file.slice(name, firstElement, elements);
      }
      ByteBuffer bytes = ByteBuffer.allocate(elements * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(embeddings, Math.toIntExact(firstElement), elements);
      return bytes;
    }
  }
}
