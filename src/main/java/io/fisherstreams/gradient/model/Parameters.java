package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Loads a model's tensors as float32 onto the device where the model runs, and checks that the
 * checkpoint is what the architecture expects: each requested tensor must exist with exactly the
 * given shape, and at the end no tensor may be left over.
 *
 * <p>Tensors of the head, if there is one, replace the checkpoint's of the same name and are
 * frozen: the forward pass uses them, and they have no Fisher.
 */
final class Parameters implements AutoCloseable {
  private static final int CHUNK_ELEMENTS = 1 << 20;

  private final TensorSource checkpoint;
  private final Optional<TensorSource> head;
  private final Map<String, TensorInfo> checkpointTensors;
  private final Map<String, TensorInfo> headTensors;

  /** What the checkpoint's names have before the architecture's. */
  private String prefix = "";

  /** By the checkpoint's names. */
  private final Map<String, LoadedParameter> taken = new HashMap<>();

  private final Set<String> takenFromHead = new HashSet<>();
  private final Set<String> ignored = new HashSet<>();
  private final Compute compute;
  private final NDManager manager;

  Parameters(TensorSource checkpoint, Optional<TensorSource> head, Compute compute) {
    this.checkpoint = checkpoint;
    this.head = head;
    this.checkpointTensors = byName(checkpoint);
    this.headTensors = head.map(Parameters::byName).orElse(Map.of());
    this.compute = compute;
    this.manager = compute.newManager();
  }

  private static Map<String, TensorInfo> byName(TensorSource source) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    source.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
    return tensors;
  }

  /** The names of all tensors of checkpoint and head. */
  Set<String> names() {
    Set<String> names = new HashSet<>(checkpointTensors.keySet());
    names.addAll(headTensors.keySet());
    return names;
  }

  /** The checkpoint's file or topic, for messages. */
  String origin() {
    return checkpoint.origin();
  }

  /** All tensors of the checkpoint. */
  List<TensorInfo> checkpointTensors() {
    return checkpoint.tensors();
  }

  /**
   * Finds out what training tools have put before the names, such as {@code model.} where the model
   * is a part of a training module. All names that the architecture uses are without it.
   *
   * @param anchors names of one tensor that every model of the architecture has, the longest first
   */
  void findPrefix(String... anchors) {
    if (Arrays.stream(anchors).anyMatch(checkpointTensors::containsKey)) {
      return;
    }
    for (String anchor : anchors) {
      List<String> found =
          checkpointTensors.keySet().stream().filter(name -> name.endsWith("." + anchor)).toList();
      if (found.size() == 1) {
        prefix = found.get(0).substring(0, found.get(0).length() - anchor.length());
        return;
      }
    }
  }

  /** What a user should know about the names, if there is something. */
  Optional<String> note() {
    return prefix.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "the tensors of %s are read without the prefix '%s'"
                .formatted(checkpoint.origin(), prefix));
  }

  /** The checkpoint's name of a tensor. */
  private String own(String name) {
    return checkpointTensors.containsKey(prefix + name) ? prefix + name : name;
  }

  boolean has(String name) {
    return headTensors.containsKey(name) || checkpointTensors.containsKey(own(name));
  }

  /** A tensor of the head, if the head has it. */
  Optional<TensorInfo> headTensor(String name) {
    return Optional.ofNullable(headTensors.get(name));
  }

  /** The first dimension of a tensor of the head or the checkpoint, if there is one. */
  Optional<Integer> rows(String name) {
    TensorInfo info =
        headTensors.containsKey(name) ? headTensors.get(name) : checkpointTensors.get(own(name));
    return Optional.ofNullable(info)
        .map(TensorInfo::shape)
        .filter(shape -> !shape.isEmpty())
        .map(shape -> Math.toIntExact(shape.get(0)));
  }

  /**
   * Loads a tensor that the Fisher covers, unless it comes from the head.
   *
   * @throws InvalidInput when it is missing, not of a floating type, or of another shape
   */
  LoadedParameter take(String name, long... shape) {
    return load(name, shape, true);
  }

  /** Loads a tensor that the Fisher does not cover, wherever it comes from. */
  LoadedParameter takeFrozen(String name, long... shape) {
    return load(name, shape, false);
  }

  /**
   * Leaves out a tensor that is a copy of a parameter under another name, if the checkpoint has it.
   *
   * @throws InvalidInput when its values differ
   */
  void requireCopy(String name, LoadedParameter original, long... shape) {
    if (!has(name)) {
      return;
    }
    try (NDArray copy = takeFrozen(name, shape).value()) {
      if (!copy.contentEquals(original.value())) {
        throw new InvalidInput(
            ("%s: tensors %s and %s differ, but the config ties them (tie_word_embeddings); set it"
                    + " to false if they are two parameters")
                .formatted(checkpoint.origin(), name, original.name()));
      }
    }
  }

  /** Marks tensors of the checkpoint that the model does not use. */
  void ignore(Predicate<String> names) {
    checkpointTensors.keySet().stream()
        .filter(name -> names.test(withoutPrefix(name)))
        .forEach(ignored::add);
  }

  private String withoutPrefix(String name) {
    return name.startsWith(prefix) ? name.substring(prefix.length()) : name;
  }

  /**
   * The parameters that the Fisher covers, in the checkpoint's order.
   *
   * @throws InvalidInput when a tensor of checkpoint or head was neither loaded nor ignored
   */
  List<LoadedParameter> finish() {
    for (String name : checkpointTensors.keySet()) {
      if (!taken.containsKey(name) && !ignored.contains(name)) {
        throw new InvalidInput(
            ("%s: tensor %s %s is not part of the model's architecture; is it another model's config"
                    + " or module?")
                .formatted(checkpoint.origin(), name, checkpointTensors.get(name).shape()));
      }
    }
    for (String name : headTensors.keySet()) {
      if (!takenFromHead.contains(name)) {
        throw new InvalidInput(
            "%s: tensor %s is not part of this architecture's head"
                .formatted(head.orElseThrow().origin(), name));
      }
    }
    return checkpointTensors.keySet().stream()
        .map(taken::get)
        .filter(parameter -> parameter != null && parameter.estimated())
        .toList();
  }

  /** Where and how the model runs. */
  Compute compute() {
    return compute;
  }

  /** The manager that owns the tensors. */
  NDManager manager() {
    return manager;
  }

  @Override
  public void close() {
    manager.close();
  }

  private LoadedParameter load(String name, long[] shape, boolean estimated) {
    boolean fromHead = headTensors.containsKey(name);
    TensorSource source = fromHead ? head.orElseThrow() : checkpoint;
    TensorInfo info = fromHead ? headTensors.get(name) : checkpointTensors.get(own(name));
    List<Long> expected = Arrays.stream(shape).boxed().toList();
    if (info == null) {
      throw new InvalidInput(
          "%s: tensor %s is missing; the model's architecture has it with shape %s%s"
              .formatted(source.origin(), name, expected, alike(expected)));
    }
    if (!info.shape().equals(expected)) {
      throw new InvalidInput(
          "%s: tensor %s: the model's architecture has shape %s, found %s"
              .formatted(source.origin(), name, expected, info.shape()));
    }
    if (!info.dtype().mergeable()) {
      throw new InvalidInput(
          "%s: tensor %s: expected F64, F32, F16 or BF16, found %s; save the model in one of them"
              .formatted(source.origin(), name, info.dtype()));
    }
    LoadedParameter parameter =
        new LoadedParameter(info, read(source, info), estimated && !fromHead, compute.precision());
    taken.put(own(name), parameter);
    if (fromHead) {
      takenFromHead.add(name);
    }
    return parameter;
  }

  /** What the checkpoint has instead, for a message. */
  private String alike(List<Long> shape) {
    Set<String> names = checkpointTensors.keySet();
    return checkpointTensors.values().stream()
        .filter(tensor -> tensor.shape().equals(shape) && !taken.containsKey(tensor.name()))
        .findFirst()
        .map(tensor -> "; the file has a tensor of this shape called " + tensor.name())
        .or(
            () ->
                names.stream()
                    .findFirst()
                    .map(
                        name ->
                            "; the file has %s%s"
                                .formatted(
                                    name,
                                    names.size() > 1
                                        ? String.format(
                                            Locale.ROOT, " and %d others", names.size() - 1)
                                        : "")))
        .orElse("");
  }

  private NDArray read(TensorSource source, TensorInfo info) {
    long[] sizes = info.shape().stream().mapToLong(Long::longValue).toArray();
    Shape shape = new Shape(sizes);
    if (info.elements() == 0 || !compute.device().isGpu()) {
      return read(source, info, manager.create(shape, DataType.FLOAT32));
    }
    try (NDManager host = Compute.cpu().newManager()) {
      NDArray array = read(source, info, host.create(shape, DataType.FLOAT32));
      NDArray copy = array.toDevice(compute.device(), true);
      copy.attach(manager);
      return copy;
    }
  }

  /** Fills an array in the host's memory. */
  private static NDArray read(TensorSource source, TensorInfo info, NDArray array) {
    if (info.elements() == 0) {
      return array;
    }
    FloatBuffer target = array.toByteBuffer(true).asFloatBuffer();
    float[] chunk = new float[(int) Math.min(info.elements(), CHUNK_ELEMENTS)];
    for (long done = 0; done < info.elements(); done += chunk.length) {
      int n = (int) Math.min(chunk.length, info.elements() - done);
      ByteBuffer bytes = source.slice(info.name(), done, n);
      long bad = FloatScan.firstNotFinite(info.dtype(), bytes, n);
      if (bad >= 0) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "%s: tensor %s: element %d is NaN or infinite",
                source.origin(),
                info.name(),
                done + bad));
      }
      FloatCodec.toFloat(info.dtype(), bytes, bytes.position(), chunk, 0, n);
      target.put(chunk, 0, n);
    }
    return array;
  }
}
