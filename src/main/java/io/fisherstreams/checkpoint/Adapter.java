package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ExpandedTensor.Update;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A LoRA adapter as PEFT saves it, applied to its base: the tensors of the whole model, of which
 * the changed ones are computed when they are read. With a wrong transpose or scale the result
 * would have the right shapes, so every doubt is an error.
 */
final class Adapter {
  /** The file with an adapter's tensors. */
  static final String FILE = "adapter_model.safetensors";

  /** The architectures whose modules of these names store their weights as [inputs, outputs]. */
  private static final Set<String> CONV1D_TYPES =
      Set.of("gpt2", "openai-gpt", "imagegpt", "decision_transformer");

  private static final Set<String> CONV1D_MODULES = Set.of("c_attn", "c_proj", "c_fc", "q_attn");
  private static final int COMPARED_ELEMENTS = 1 << 18;

  private final AdapterConfig config;
  private final SafetensorsFile file;
  private final Checkpoint base;
  private final AdapterNames names;
  private final BaseNames baseNames;
  private final Optional<String> modelType;
  private final SortedMap<String, TensorSlices> changed = new TreeMap<>();
  private final Map<String, String> updates = new HashMap<>();

  private Adapter(AdapterConfig config, SafetensorsFile file, Checkpoint base) {
    this.config = config;
    this.file = file;
    this.base = base;
    modelType = base.configText("model_type").map(text -> text.replace("\"", ""));
    names =
        AdapterNames.of(
            file.path(),
            file.header().tensors().keySet(),
            (one, other) -> hasSameValues(tensor(one), tensor(other)));
    List<String> targets = new ArrayList<>();
    names.lefts().keySet().forEach(module -> targets.add(module + ".weight"));
    names.embeddingLefts().keySet().forEach(module -> targets.add(module + ".weight"));
    baseNames = new BaseNames(base, targets, names.values().keySet());
  }

  /** Whether a folder has an adapter and no whole model. */
  static boolean isIn(Path folder) {
    return Files.exists(folder.resolve(AdapterConfig.NAME))
        && !Files.exists(folder.resolve(Checkpoint.SINGLE_FILE))
        && !Files.exists(folder.resolve(FolderIndex.NAME));
  }

  /** An adapter's files, in the order of their names. */
  static List<Path> files(Path folder) {
    return List.of(folder.resolve(AdapterConfig.NAME), folder.resolve(FILE));
  }

  /** Checks an adapter's config and opens its file. */
  static CheckpointParts open(Path folder) {
    AdapterConfig.read(folder);
    Path file = folder.resolve(FILE);
    if (!Files.exists(file)) {
      throw new InvalidInput(ForeignFormat.adapterWithoutFile(folder));
    }
    return CheckpointParts.open(List.of(file));
  }

  /**
   * The tensors of a whole model.
   *
   * @param tensors all of them, by the base's names
   * @param unchanged the names of those that the base has with the same values
   */
  record Expanded(Map<String, TensorSlices> tensors, Set<String> unchanged) {}

  /**
   * Applies an adapter.
   *
   * @param folder the adapter's
   * @param file the adapter's open file
   * @param base a whole model
   * @throws InvalidInput when adapter and base do not fit, or something is not implemented
   */
  static Expanded expand(Path folder, SafetensorsFile file, Checkpoint base) {
    QuantizedWeights.reject("base", base, name -> false);
    return new Adapter(AdapterConfig.read(folder), file, base).expand();
  }

  private Expanded expand() {
    Map<String, TensorSlices> tensors = new HashMap<>();
    base.tensors().keySet().forEach(name -> tensors.put(name, base.slices(name)));
    names.values().forEach(this::replace);
    names.lefts().forEach((module, a) -> update(module, a, names.rights().get(module), false));
    names
        .embeddingLefts()
        .forEach((module, a) -> update(module, a, names.embeddingRights().get(module), true));
    names.biases().forEach(this::updateBias);
    requireTrainedBiases();
    if (updates.isEmpty() && changed.isEmpty()) {
      throw new InvalidInput("%s: it has no adapter's tensor".formatted(file.path()));
    }
    Set<String> unchanged = new HashSet<>(tensors.keySet());
    changed.forEach(
        (name, slices) -> {
          boolean isOther =
              updates.containsKey(name)
                  || !tensors.containsKey(name)
                  || !hasSameValues(slices, tensors.get(name));
          if (isOther) {
            tensors.put(name, slices);
            unchanged.remove(name);
          }
        });
    baseNames
        .tied()
        .forEach(
            (name, source) -> {
              tensors.put(name, tensors.get(source));
              if (!unchanged.contains(source)) {
                unchanged.remove(name);
              }
            });
    return new Expanded(tensors, unchanged);
  }

  private TensorSlices tensor(String name) {
    return file.slices(name);
  }

  /** A tensor of the adapter in place of the base's. */
  private void replace(String parameter, String own) {
    TensorSlices value = tensor(own);
    Optional<String> name = baseNames.find(parameter);
    if (name.isEmpty()) {
      if (!config.isSaved(parameter)) {
        throw new InvalidInput(
            "%s: tensor '%s': the base %s has no tensor '%s', and modules_to_save names no such module"
                .formatted(file.path(), own, base.path(), parameter));
      }
      changed.put(parameter, value); // a head of the adapter's own
      return;
    }
    TensorInfo info = base.tensors().get(name.get());
    requireShape(own, value.info(), info);
    TensorSlices before =
        changed.putIfAbsent(name.get(), new ExpandedTensor(info, value, Optional.empty()));
    if (before != null
        && !hasSameValues(before, new ExpandedTensor(info, value, Optional.empty()))) {
      throw new InvalidInput(
          "%s: tensor '%s' is the base's parameter '%s', for which the file has another value too"
              .formatted(file.path(), own, name.get()));
    }
  }

  private void requireShape(String own, TensorInfo found, TensorInfo wanted) {
    if (!found.shape().equals(wanted.shape())) {
      throw new InvalidInput(
          "%s: tensor '%s' has shape %s, the base's '%s' has %s%s"
              .formatted(
                  file.path(),
                  own,
                  found.shape(),
                  wanted.name(),
                  wanted.shape(),
                  MissingNames.explainShape(found, wanted)));
    }
    requireFloating(own, found.dtype());
    requireFloating(wanted.name(), wanted.dtype());
  }

  private void requireFloating(String name, DType dtype) {
    if (!dtype.mergeable()) {
      throw new InvalidInput(
          "%s: tensor '%s' is %s, expected F64, F32, BF16 or F16"
              .formatted(file.path(), name, dtype));
    }
  }

  /** The product of a module's factors, added to its weight. */
  private void update(String module, String ownA, String ownB, boolean isEmbedding) {
    TensorSlices a = tensor(ownA);
    TensorSlices b = tensor(ownB);
    requireFloating(ownA, a.info().dtype());
    requireFloating(ownB, b.info().dtype());
    TensorInfo weight = target(module, "weight", ownA);
    List<Long> left = a.info().shape();
    List<Long> right = b.info().shape();
    if (left.size() != 2 || right.size() != 2 || !right.get(1).equals(left.get(0))) {
      throw new InvalidInput(
          "%s: %s: '%s' has shape %s and '%s' %s, expected [r, inputs] and [outputs, r]%s"
              .formatted(
                  file.path(),
                  module,
                  ownA,
                  left,
                  ownB,
                  right,
                  left.size() > 2 ? "; adapters of convolutions are not implemented" : ""));
    }
    int rank = config.rank(module);
    if (left.get(0) != rank) {
      throw new InvalidInput(
          "%s: %s has rank %s%s, but '%s' of %s has shape %s"
              .formatted(
                  config.file(),
                  module,
                  rank,
                  config.hasPatterns() ? " (patterns are read as PEFT 0.15 and later do)" : "",
                  ownA,
                  file.path(),
                  left));
    }
    boolean transposed = isTransposed(module, weight, right.get(0), left.get(1), isEmbedding, ownA);
    add(weight, ownA, new Update(b, Optional.of(a), rank, config.scale(module), transposed));
  }

  /** The base's tensor that a module's factor changes. */
  private TensorInfo target(String module, String kind, String own) {
    String parameter = module + "." + kind;
    return baseNames
        .find(parameter)
        .map(name -> base.tensors().get(name))
        .orElseThrow(
            () ->
                new InvalidInput(
                    "%s: tensor '%s' changes '%s', which the base %s does not have; is it an adapter of another model?"
                        .formatted(file.path(), own, parameter, base.path())));
  }

  /** Whether a weight is stored as [inputs, outputs]: a square one does not tell by its shape. */
  private boolean isTransposed(
      String module, TensorInfo weight, long outputs, long inputs, boolean embedding, String own) {
    boolean fits = weight.shape().equals(List.of(outputs, inputs));
    boolean fitsTransposed = weight.shape().equals(List.of(inputs, outputs));
    boolean isSquare = fits && fitsTransposed;
    boolean transposed = embedding || (isSquare ? isConv1d(module) : fitsTransposed);
    if (!(transposed ? fitsTransposed : fits)) {
      throw new InvalidInput(
          "%s: '%s' and its lora_B are for %s inputs and %s outputs, the base's '%s' has shape %s"
              .formatted(file.path(), own, inputs, outputs, weight.name(), weight.shape()));
    }
    requireFloating(weight.name(), weight.dtype());
    return transposed;
  }

  private boolean isConv1d(String module) {
    if (modelType.isEmpty()) {
      return config.isFanInFanOut();
    }
    return CONV1D_TYPES.contains(modelType.get())
        && CONV1D_MODULES.contains(module.substring(module.lastIndexOf('.') + 1));
  }

  /** The bias of a module's second factor, added to the module's bias. */
  private void updateBias(String module, String own) {
    TensorInfo bias = target(module, "bias", own);
    TensorSlices b = tensor(own);
    requireShape(own, b.info(), bias);
    add(bias, own, new Update(b, Optional.empty(), 1, config.scale(module), false));
  }

  private void add(TensorInfo weight, String own, Update update) {
    String other = updates.putIfAbsent(weight.name(), own);
    if (other != null) {
      throw new InvalidInput(
          "%s: tensors '%s' and '%s' both change the base's parameter '%s'"
              .formatted(file.path(), other, own, weight.name()));
    }
    TensorSlices replaced = changed.get(weight.name());
    TensorSlices start =
        replaced instanceof ExpandedTensor value ? value.start() : base.slices(weight.name());
    changed.put(weight.name(), new ExpandedTensor(weight, start, Optional.of(update)));
  }

  /** PEFT 0.7 to 0.20 did not save the biases that {@code lora_only} trains. */
  private void requireTrainedBiases() {
    if (config.bias().equals("none")) {
      return;
    }
    List<String> biases =
        names.lefts().keySet().stream()
            .map(module -> module + ".bias")
            .filter(name -> baseNames.find(name).isPresent())
            .toList();
    if (!biases.isEmpty() && biases.stream().noneMatch(name -> names.values().containsKey(name))) {
      throw new InvalidInput(
          "%s: bias is '%s', but %s has none of the trained biases, such as %s: some versions of PEFT (0.7 to 0.20) do not save them; save the adapter again with another one"
              .formatted(config.file(), config.bias(), file.path(), biases.get(0)));
    }
  }

  private static boolean hasSameValues(TensorSlices one, TensorSlices other) {
    TensorInfo a = one.info();
    TensorInfo b = other.info();
    if (a.dtype() != b.dtype() || !a.shape().equals(b.shape())) {
      return false;
    }
    for (long at = 0; at < a.elements(); at += COMPARED_ELEMENTS) {
      int count = (int) Math.min(COMPARED_ELEMENTS, a.elements() - at);
      ByteBuffer bytes = one.slice(at, count);
      if (!bytes.equals(other.slice(at, count))) {
        return false;
      }
    }
    return true;
  }
}
