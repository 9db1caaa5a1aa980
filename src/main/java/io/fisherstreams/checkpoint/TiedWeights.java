package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * The tensors of a base that are one parameter under two names, such as a language model's head and
 * its embedding. Two tensors are tied when their names are a known pair, their type, shape and
 * bytes are equal, and the folder's {@code config.json} does not untie them: it does with {@code
 * "tie_word_embeddings": false}, or without that key for an architecture that ties nothing by
 * default. Other tensors of equal bytes are different parameters: new biases are all zero, and the
 * two towers of a model often begin as one.
 *
 * @param sources by the name of each tensor that follows another: the name of that other tensor
 */
public record TiedWeights(SortedMap<String, String> sources) {
  private static final String FLAG = "tie_word_embeddings";

  /** The model types whose {@code tie_word_embeddings} is false unless their config says more. */
  private static final Set<String> UNTIED =
      Set.of(
          "codegen",
          "deepseek_v2",
          "deepseek_v3",
          "gpt_neox",
          "gptj",
          "llama",
          "mistral",
          "mixtral",
          "mt5",
          "olmo",
          "persimmon",
          "phi",
          "phi3",
          "qwen2",
          "qwen2_moe",
          "stablelm");

  private static final String HEAD = "lm_head.weight";
  private static final List<String> LANGUAGE_MODELS =
      List.of("ForCausalLM", "LMHeadModel", "ForConditionalGeneration");

  /** No tied tensor. */
  public static final TiedWeights NONE = new TiedWeights(Collections.emptySortedMap());

  /** The tied tensors of a base; reads the tensors whose names are a known pair. */
  public static TiedWeights of(Checkpoint base) {
    SortedMap<String, String> sources = TiedNames.pairs(base.tensors().keySet());
    boolean untied = isUntied(base);
    sources
        .entrySet()
        .removeIf(
            pair ->
                (untied && !TiedNames.isBias(pair.getKey()))
                    || !base.tensors().get(pair.getKey()).dtype().mergeable()
                    || !areEqual(base, pair.getKey(), pair.getValue()));
    return new TiedWeights(Collections.unmodifiableSortedMap(sources));
  }

  static boolean isUntied(Checkpoint file) {
    return file.configFlag(FLAG)
        .map(tied -> !tied)
        .orElseGet(() -> file.configText("model_type").map(TiedWeights::isUntied).orElse(false));
  }

  /** The argument is a JSON string, in quotes. */
  private static boolean isUntied(String modelType) {
    return UNTIED.contains(modelType.replace("\"", ""));
  }

  private static boolean areEqual(Checkpoint file, String name, String other) {
    TensorInfo a = file.tensors().get(name);
    TensorInfo b = file.tensors().get(other);
    return a.dtype() == b.dtype()
        && a.shape().equals(b.shape())
        && file.hasSameBytes(name, file, other);
  }

  /**
   * Rejects a model that has both names of a tied parameter with different values.
   *
   * @param what the model, for the message
   */
  public void requireTied(String what, Checkpoint model) {
    sources.forEach(
        (name, source) -> {
          if (model.tensors().containsKey(name)
              && model.tensors().containsKey(source)
              && !areEqual(model, name, source)) {
            throw new InvalidInput(
                "%s (%s): tensors '%s' and '%s' differ, but the base ties them%s"
                    .formatted(what, model.path(), name, source, advice(name)));
          }
        });
  }

  /**
   * What to tell a user who excludes one of two tied names from the merge. They are one parameter,
   * and only its first name counts: excluding the first keeps the base's value in both, excluding
   * the second changes nothing.
   *
   * @param isExcluded by a pattern
   * @return a sentence for each pair of which one name is excluded
   */
  public List<String> exclusions(Predicate<String> isExcluded) {
    List<String> sentences = new ArrayList<>();
    sources.forEach(
        (name, source) -> {
          if (isExcluded.test(source) && !isExcluded.test(name)) {
            sentences.add(
                "'%s' is excluded, and '%s' is tied to it: both keep the base's value"
                    .formatted(source, name));
          } else if (isExcluded.test(name) && !isExcluded.test(source)) {
            sentences.add(
                ("'%s' is excluded, but tied to '%s', which is merged: it follows the merged value."
                        + " To keep the base's value in both, exclude '%s'%s")
                    .formatted(
                        name,
                        source,
                        source,
                        TiedNames.isBias(name)
                            ? ""
                            : "; to keep it in '%s' only, set \"%s\": false in the base's config.json"
                                .formatted(name, FLAG)));
          }
        });
    return List.copyOf(sentences);
  }

  /**
   * The same for a language model whose file has the tied head under the embedding's name only.
   *
   * @param isExcluded by a pattern
   * @return a sentence if one of the two names is excluded
   */
  public static Optional<String> exclusionOfImpliedHead(
      Checkpoint base, Predicate<String> isExcluded) {
    if (isUntied(base)
        || base.tensors().containsKey(HEAD)
        || base.configText("architectures").filter(TiedWeights::hasHead).isEmpty()) {
      return Optional.empty();
    }
    List<String> names = new ArrayList<>(base.tensors().keySet());
    names.add(HEAD);
    return Optional.ofNullable(TiedNames.pairs(names).get(HEAD))
        .filter(source -> isExcluded.test(source) != isExcluded.test(HEAD))
        .map(
            source ->
                isExcluded.test(source)
                    ? "'%s' is excluded, and the head '%s' is tied to it: both keep the base's value"
                        .formatted(source, HEAD)
                    : ("'%s' is excluded, but tied to '%s', which is merged: it follows the merged"
                            + " value. To keep the base's value in both, exclude '%s'")
                        .formatted(HEAD, source, source));
  }

  private static boolean hasHead(String architectures) {
    return LANGUAGE_MODELS.stream().anyMatch(architectures::contains);
  }

  private static String advice(String name) {
    return TiedNames.isBias(name)
        ? ": they are one parameter"
        : ". To merge them as two parameters, set \"tie_word_embeddings\": false in the base's"
            + " config.json";
  }

  /**
   * Rejects a model that is merged onto a base of which only the names are known, if the model has
   * a head that would be lost: the base does not have the head's name, because it ties the head to
   * the embedding or has none, and the model's own head differs from its embedding. A model whose
   * {@code config.json} unties them may leave its head behind.
   *
   * @param what the model, for the message
   * @param inBase the names of the base
   */
  public static void requireTied(String what, Checkpoint model, Predicate<String> inBase) {
    SortedMap<String, String> pairs = new TreeMap<>(TiedNames.pairs(model.tensors().keySet()));
    pairs.keySet().removeIf(inBase);
    pairs.values().removeIf(inBase.negate());
    boolean untied = isUntied(model);
    pairs.forEach(
        (name, source) -> {
          TensorInfo head = model.tensors().get(name);
          boolean alike = head.shape().equals(model.tensors().get(source).shape());
          if (!untied && alike && !areEqual(model, name, source)) {
            throw new InvalidInput(
                ("%s (%s): tensors '%s' and '%s' differ, but the pool's base has only the second: it"
                        + " ties them. To leave the first out, set \"%s\": false in the model's"
                        + " config.json; to merge both, set it in the base's and publish the base"
                        + " again")
                    .formatted(what, model.path(), name, source, FLAG));
          }
        });
  }
}
