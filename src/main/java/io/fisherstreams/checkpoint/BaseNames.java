package io.fisherstreams.checkpoint;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;

/**
 * The names that an adapter's parameters have in its base: as they are, or with or without the
 * prefix of a model inside another; of two tied names, the one whose tensor both have.
 */
final class BaseNames {
  private final boolean isUntied;
  private final Set<String> own;
  private final SortedMap<String, String> tied;
  private final Optional<Map<String, String>> renamed;

  /**
   * Matches the names.
   *
   * @param targets names that the base must have
   * @param others names that it may have
   */
  BaseNames(Checkpoint base, Collection<String> targets, Collection<String> others) {
    isUntied = TiedWeights.isUntied(base);
    own = base.tensors().keySet();
    tied = TiedWeights.of(base).sources();
    List<String> untied = new ArrayList<>(targets);
    untied.removeIf(name -> !own.contains(name) && sourceOf(name).isPresent());
    List<String> all = new ArrayList<>(targets);
    all.addAll(others);
    Set<String> wanted = new HashSet<>(untied.isEmpty() ? others : untied);
    renamed = NameMatch.of(own, wanted, all).map(NameMatch::names);
  }

  /** By the second name of each tied tensor that the base has twice: its first name. */
  SortedMap<String, String> tied() {
    return tied;
  }

  /** The base's name of a parameter. */
  Optional<String> find(String parameter) {
    String name = renamed.map(names -> names.get(parameter)).orElse(parameter);
    if (name != null && own.contains(name)) {
      return Optional.of(tied.getOrDefault(name, name));
    }
    return sourceOf(parameter);
  }

  /** The tensor that a name is tied to, which the base has only once. */
  private Optional<String> sourceOf(String parameter) {
    if (isUntied) {
      return Optional.empty();
    }
    Set<String> names = new HashSet<>(own);
    names.add(parameter);
    return Optional.ofNullable(TiedNames.pairs(names).get(parameter)).filter(own::contains);
  }
}
