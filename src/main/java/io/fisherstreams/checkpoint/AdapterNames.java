package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the tensors of an adapter's file are, by PEFT's names: the factors of a module's update, or
 * values that replace the base's. All maps are by names without what PEFT and PyTorch's tools add;
 * their values are the names in the file.
 *
 * @param lefts A of each module, {@code lora_A}
 * @param rights B of each module, {@code lora_B}
 * @param embeddingLefts A of each embedding
 * @param embeddingRights B of each embedding
 * @param biases a bias of B, by module
 * @param values values by parameter
 */
record AdapterNames(
    SortedMap<String, String> lefts,
    SortedMap<String, String> rights,
    SortedMap<String, String> embeddingLefts,
    SortedMap<String, String> embeddingRights,
    SortedMap<String, String> biases,
    SortedMap<String, String> values) {
  private static final String PREFIX = "base_model.model.";
  private static final Pattern FACTOR =
      Pattern.compile(
          "(.+)\\.(lora_A\\.weight|lora_B\\.weight|lora_B\\.bias|lora_embedding_A|lora_embedding_B)");
  private static final Pattern BASE_LAYER = Pattern.compile("(.+\\.)base_layer\\.([^.]+)");
  private static final Pattern SAVED =
      Pattern.compile("(.+\\.)modules_to_save\\.(?:default\\.)?(.+)");

  /**
   * Sorts a file's names.
   *
   * @param file the adapter's file, for messages
   * @param same whether two of its tensors have the same values
   */
  static AdapterNames of(Path file, Collection<String> names, SameValues same) {
    Map<String, String> plain = new HashMap<>();
    NameMatch.unwrapping(names)
        .map(NameMatch::names)
        .orElseGet(() -> identity(names))
        .forEach((name, own) -> plain.put(withoutPrefix(name), own));
    AdapterNames sorted =
        new AdapterNames(
            new TreeMap<>(),
            new TreeMap<>(),
            new TreeMap<>(),
            new TreeMap<>(),
            new TreeMap<>(),
            new TreeMap<>());
    new TreeMap<>(plain).forEach((name, own) -> sorted.add(file, name, own, same));
    sorted.requirePairs(file, sorted.lefts, sorted.rights, "lora_A.weight", "lora_B.weight");
    sorted.requirePairs(
        file,
        sorted.embeddingLefts,
        sorted.embeddingRights,
        "lora_embedding_A",
        "lora_embedding_B");
    return sorted;
  }

  /** Whether two tensors of a file have the same values. */
  interface SameValues {
    boolean areSame(String one, String other);
  }

  private static Map<String, String> identity(Collection<String> names) {
    Map<String, String> identity = new HashMap<>();
    names.forEach(name -> identity.put(name, name));
    return identity;
  }

  private static String withoutPrefix(String name) {
    return name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
  }

  private void add(Path file, String name, String own, SameValues same) {
    Matcher factor = FACTOR.matcher(name);
    if (factor.matches()) {
      SortedMap<String, String> map =
          switch (factor.group(2)) {
            case "lora_A.weight" -> lefts;
            case "lora_B.weight" -> rights;
            case "lora_B.bias" -> biases;
            case "lora_embedding_A" -> embeddingLefts;
            default -> embeddingRights;
          };
      map.put(factor.group(1), own);
      return;
    }
    if (name.contains("lora_")) {
      throw new InvalidInput(
          "%s: tensor '%s' is of a kind of adapter that is not implemented%s: merge the adapter into its base first (PEFT: model.merge_and_unload().save_pretrained(folder))"
              .formatted(file, own, name.contains("lora_magnitude_vector") ? " (DoRA)" : ""));
    }
    if (name.contains(".original_module.")) {
      return; // what the base had before the adapter was trained
    }
    String parameter = name;
    for (Pattern pattern : new Pattern[] {BASE_LAYER, SAVED}) {
      Matcher matcher = pattern.matcher(name);
      if (matcher.matches()) {
        parameter = matcher.group(1) + matcher.group(2);
      }
    }
    String other = values.putIfAbsent(parameter, own);
    if (other != null && !same.areSame(own, other)) {
      throw new InvalidInput(
          "%s: tensors '%s' and '%s' are both %s, but they differ"
              .formatted(file, other, own, parameter));
    }
  }

  private void requirePairs(
      Path file,
      SortedMap<String, String> lefts,
      SortedMap<String, String> rights,
      String left,
      String right) {
    Set<String> modules = new HashSet<>(lefts.keySet());
    modules.addAll(rights.keySet());
    for (String module : modules) {
      Optional<String> missing =
          !lefts.containsKey(module)
              ? Optional.of(left)
              : !rights.containsKey(module) ? Optional.of(right) : Optional.empty();
      if (missing.isPresent()) {
        throw new InvalidInput("%s: %s has no %s".formatted(file, module, missing.get()));
      }
    }
  }
}
