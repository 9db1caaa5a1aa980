package io.fisherstreams.checkpoint;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * How the names of one checkpoint's tensors become those of another, when they differ only by what
 * tools add to names: a wrapper ({@code module.}, {@code _orig_mod.}), the prefix of a model inside
 * another ({@code transformer.}), or the old names {@code gamma} and {@code beta} of a norm. A
 * match covers every wanted name, or there is none.
 *
 * @param names the tensor's name in the file, by its new name
 * @param description what was done, for people
 */
record NameMatch(Map<String, String> names, String description) {
  private static final String MODULE = "module.";
  private static final List<String> INNER_WRAPPERS =
      List.of("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.");

  /** What {@code AveragedModel} adds to the names of the model that it wraps. */
  private static final String AVERAGE_COUNTER = "n_averaged";

  private static final List<String> PREFIXES =
      List.of(
          "transformer.",
          "model.",
          "bert.",
          "roberta.",
          "distilbert.",
          "albert.",
          "electra.",
          "deberta.",
          "vit.",
          "vision_model.",
          "text_model.",
          "language_model.",
          "base_model.",
          "backbone.",
          "encoder.",
          "decoder.",
          "gpt_neox.");

  /** A name without the wrappers that PyTorch's tools add, wherever they are. */
  private static String unwrapped(String name) {
    String result = withoutInnerWrappers(name);
    while (result.startsWith(MODULE)) {
      result = result.substring(MODULE.length());
    }
    return result;
  }

  private static String withoutInnerWrappers(String name) {
    String result = "." + name;
    for (String wrapper : INNER_WRAPPERS) {
      result = result.replace("." + wrapper, ".");
    }
    return result.substring(1);
  }

  /**
   * All names without the wrappers of PyTorch's tools; empty when there are none. Some models have
   * a part that is called {@code module}, so that wrapper counts only where every name begins with
   * it.
   */
  static Optional<NameMatch> unwrapping(Collection<String> file) {
    Map<String, String> names = new HashMap<>();
    for (String name : file) {
      if (!name.equals(AVERAGE_COUNTER) && names.put(withoutInnerWrappers(name), name) != null) {
        return Optional.empty();
      }
    }
    while (!names.isEmpty() && names.keySet().stream().allMatch(name -> name.startsWith(MODULE))) {
      Map<String, String> inner = new HashMap<>();
      names.forEach((name, own) -> inner.put(name.substring(MODULE.length()), own));
      names = inner;
    }
    return names.equals(identity(names.values()))
        ? Optional.empty()
        : Optional.of(new NameMatch(names, withoutWrappers(file)));
  }

  private static Map<String, String> identity(Collection<String> names) {
    return names.stream().collect(Collectors.toMap(name -> name, name -> name));
  }

  /**
   * The one way to give all wanted names; empty when there is none, when the file has all names
   * already, or when two ways differ.
   *
   * @param known the wanted names and others that the file may have, such as the names of
   *     parameters that are not merged
   */
  static Optional<NameMatch> of(
      Collection<String> file, Collection<String> wanted, Collection<String> known) {
    if (new HashSet<>(file).containsAll(wanted)) {
      return Optional.empty();
    }
    List<NameMatch> ways =
        candidates(file, known).stream()
            .map(candidate -> candidate.withOldNorms(known))
            .filter(candidate -> candidate.names.keySet().containsAll(wanted))
            .toList();
    return ways.stream()
        .findFirst()
        .filter(first -> ways.stream().allMatch(way -> isSame(first, way, wanted)));
  }

  private static boolean isSame(NameMatch a, NameMatch b, Collection<String> wanted) {
    return wanted.stream().allMatch(name -> a.names.get(name).equals(b.names.get(name)));
  }

  /** How many of the wanted names the best way gives, with that way; for messages. */
  static Optional<NameMatch> best(Collection<String> file, Collection<String> wanted) {
    NameMatch best = null;
    long most = wanted.stream().filter(new HashSet<>(file)::contains).count();
    for (NameMatch candidate : candidates(file, wanted)) {
      NameMatch full = candidate.withOldNorms(wanted);
      long matched = wanted.stream().filter(full.names::containsKey).count();
      if (matched > most) {
        most = matched;
        best = full;
      }
    }
    return Optional.ofNullable(best);
  }

  private static List<NameMatch> candidates(Collection<String> file, Collection<String> wanted) {
    List<NameMatch> candidates = new ArrayList<>();
    boolean wrapped = file.stream().anyMatch(name -> !unwrapped(name).equals(name));
    String unwraps = wrapped ? withoutWrappers(file) : "as they are";
    add(candidates, file, NameMatch::unwrapped, unwraps);
    Set<String> expected = new HashSet<>(wanted);
    for (String prefix : PREFIXES) {
      String also = wrapped ? ", " + withoutWrappers(file) : "";
      add(
          candidates,
          file,
          name -> {
            String plain = unwrapped(name);
            return plain.startsWith(prefix) ? plain.substring(prefix.length()) : plain;
          },
          "without the prefix '" + prefix + "'" + also);
      add(
          candidates,
          file,
          name -> {
            String plain = unwrapped(name);
            return expected.contains(prefix + plain) ? prefix + plain : plain;
          },
          "with the prefix '" + prefix + "'" + also);
    }
    return candidates;
  }

  private static String withoutWrappers(Collection<String> file) {
    String name = file.stream().filter(n -> !unwrapped(n).equals(n)).sorted().findFirst().get();
    return "without PyTorch's wrappers ('%s' as '%s')".formatted(name, unwrapped(name));
  }

  /** Adds a way, unless it gives two tensors one name. */
  private static void add(
      List<NameMatch> candidates,
      Collection<String> file,
      UnaryOperator<String> rename,
      String description) {
    Map<String, String> names = new HashMap<>();
    for (String name : file) {
      if (names.put(rename.apply(name), name) != null) {
        return;
      }
    }
    candidates.add(new NameMatch(names, description));
  }

  private NameMatch withOldNorms(Collection<String> wanted) {
    Map<String, String> all = new HashMap<>(names);
    Set<String> expected = new HashSet<>(wanted);
    boolean used = false;
    for (String name : wanted) {
      String other = all.containsKey(name) ? null : otherNorm(name);
      if (other != null && names.containsKey(other) && !expected.contains(other)) {
        all.put(name, all.remove(other));
        used = true;
      }
    }
    return used
        ? new NameMatch(all, description + ", with gamma and beta for a norm's weight and bias")
        : this;
  }

  private static String otherNorm(String name) {
    int dot = name.lastIndexOf('.');
    if (dot < 0 || !name.substring(0, dot).toLowerCase(Locale.ROOT).contains("norm")) {
      return null;
    }
    return switch (name.substring(dot + 1)) {
      case "gamma" -> name.substring(0, dot) + ".weight";
      case "beta" -> name.substring(0, dot) + ".bias";
      case "weight" -> name.substring(0, dot) + ".gamma";
      case "bias" -> name.substring(0, dot) + ".beta";
      default -> null;
    };
  }
}
