package io.fisherstreams.gradient.model;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Chooses and builds the runtime of a model from its config. */
public final class ModelRuntimes {
  // A new architecture is one class that implements Network, and its line here.
  private static final List<Architecture> ARCHITECTURES =
      Stream.of(
              BertFamily.architectures(),
              Llama.architectures(),
              List.of(
                  Gpt2.architecture(),
                  T5.architecture(),
                  Vit.architecture(),
                  ClipVision.architecture(),
                  FeedForward.architecture()))
          .flatMap(List::stream)
          .toList();

  private ModelRuntimes() {}

  /**
   * Loads a model into native memory.
   *
   * @param config the model's {@code config.json}
   * @param checkpoint the model's tensors, in any floating type
   * @param head tensors of a frozen head, which replace the checkpoint's of the same name and have
   *     no Fisher
   * @param compute where and how the model runs
   * @throws InvalidInput when no architecture has this {@code model_type}, or the tensors are not
   *     what the config describes
   */
  public static ModelRuntime load(
      ModelConfig config, TensorSource checkpoint, Optional<TensorSource> head, Compute compute) {
    return load(config, checkpoint, head, compute, NetworkRuntime::new, LanguageRuntime::new);
  }

  /**
   * As {@link #load(ModelConfig, TensorSource, Optional, Compute)}, but gradients come from
   * automatic differentiation, with one backward pass per direction: the slow implementation that
   * the fast one is compared with.
   */
  public static ModelRuntime loadPlain(
      ModelConfig config, TensorSource checkpoint, Optional<TensorSource> head, Compute compute) {
    return load(config, checkpoint, head, compute, PlainLoopRuntime::of, PlainLanguageRuntime::new);
  }

  /**
   * Whether a model predicts tokens and not classes.
   *
   * @param names of its tensors, and of its head's
   * @throws InvalidInput when the config names an architecture that does neither
   */
  public static boolean isLanguageModel(ModelConfig config, Set<String> names) {
    String modelType = config.text("model_type", "");
    return ARCHITECTURES.stream()
            .filter(candidate -> candidate.modelTypes().contains(modelType))
            .anyMatch(candidate -> candidate.language().isPresent())
        && DecoderLanguageModel.isMeant(config, names);
  }

  /** Whether a language model reads a prompt with an encoder and predicts with a decoder. */
  public static boolean hasEncoderAndDecoder(ModelConfig config) {
    return config.text("model_type", "").equals("t5");
  }

  /** Whether a model reads {@code token_type_ids}: which text of a pair each token is of. */
  public static boolean readsTokenTypes(ModelConfig config) {
    return config.text("model_type", "").equals("bert");
  }

  /** The {@code model_type} values that have an architecture. */
  public static SortedSet<String> modelTypes() {
    SortedSet<String> known = new TreeSet<>();
    ARCHITECTURES.forEach(architecture -> known.addAll(architecture.modelTypes()));
    return known;
  }

  /**
   * A check of a model's examples without its weights: it rejects, with {@link InvalidInput}, an
   * input that is missing or of another shape, a token outside the vocabulary, a label that is no
   * class, number or token, and an example without anything to predict.
   *
   * @param config the model's {@code config.json}
   * @param tensors the model's and its head's
   * @return empty when no architecture has this {@code model_type}
   */
  public static Optional<Consumer<Example>> check(
      ModelConfig config, Collection<TensorInfo> tensors) {
    return ARCHITECTURES.stream()
        .filter(candidate -> candidate.modelTypes().contains(config.modelType()))
        .findFirst()
        .map(
            architecture ->
                architecture
                    .language()
                    .filter(language -> isLanguageModel(config, names(tensors)))
                    .map(language -> language.inputs().apply(config))
                    .orElseGet(
                        () ->
                            architecture
                                .inputs()
                                .apply(config)
                                .andThen(labels(config, architecture.lastLayer(), tensors))));
  }

  private static Set<String> names(Collection<TensorInfo> tensors) {
    return tensors.stream().map(TensorInfo::name).collect(Collectors.toSet());
  }

  private static Consumer<Example> labels(
      ModelConfig config, Optional<String> lastLayer, Collection<TensorInfo> tensors) {
    long outputs =
        lastLayer
            .flatMap(name -> rows(name, tensors))
            .orElseGet(() -> Long.valueOf(config.classes()));
    return outputs == 1 ? Example::value : example -> example.labelAmong((int) outputs);
  }

  /** A wrapper's prefix may be in front of the name. */
  private static Optional<Long> rows(String name, Collection<TensorInfo> tensors) {
    return tensors.stream()
        .filter(tensor -> tensor.name().equals(name) || tensor.name().endsWith("." + name))
        .filter(tensor -> !tensor.shape().isEmpty())
        .map(tensor -> tensor.shape().get(0))
        .findFirst();
  }

  /**
   * Loads a TorchScript module with a checkpoint's parameters.
   *
   * @param file the module. It is code that will run: the path must come from the operator's
   *     configuration, never from a topic or a model's folder
   * @throws InvalidInput when it is no TorchScript module, or its parameters and the checkpoint's
   *     tensors differ in name or shape
   */
  public static ModelRuntime loadTorchScript(Path file, TensorSource checkpoint, Compute compute) {
    return TorchScript.load(file, checkpoint, compute);
  }

  private static ModelRuntime load(
      ModelConfig config,
      TensorSource checkpoint,
      Optional<TensorSource> head,
      Compute compute,
      BiFunction<Network, Parameters, ModelRuntime> implementation,
      BiFunction<LanguageNetwork, Parameters, ModelRuntime> languageImplementation) {
    Architecture architecture =
        ARCHITECTURES.stream()
            .filter(candidate -> candidate.modelTypes().contains(config.modelType()))
            .findFirst()
            .orElseThrow(() -> unknown(config));
    config
        .shown("quantization_config")
        .ifPresent(
            quantised -> {
              throw new InvalidInput(
                  "%s: quantised weights are not implemented, found quantization_config %s"
                      .formatted(config.origin(), quantised));
            });
    Parameters parameters = new Parameters(checkpoint, head, compute);
    try {
      if (architecture.language().isPresent()
          && DecoderLanguageModel.isMeant(config, parameters.names())) {
        return languageImplementation.apply(
            architecture.language().get().build().apply(config, parameters), parameters);
      }
      return implementation.apply(architecture.build().apply(config, parameters), parameters);
    } catch (RuntimeException e) {
      parameters.close();
      throw e;
    }
  }

  private static InvalidInput unknown(ModelConfig config) {
    return new InvalidInput(
        "%s: model_type '%s' has no runtime; known are %s. Any other model runs as a TorchScript file"
            .formatted(config.origin(), config.modelType(), String.join(", ", modelTypes())));
  }
}
