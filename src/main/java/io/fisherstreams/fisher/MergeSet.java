package io.fisherstreams.fisher;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which parameters of a base model are merged: every tensor of a {@linkplain
 * io.fisherstreams.tensor.DType#mergeable() mergeable} type whose name no exclusion pattern
 * matches. All other tensors keep the base's value.
 *
 * <p>A pattern must match at the start of the name, not up to its end: {@code head} excludes {@code
 * head.weight} and keeps {@code my.head.weight}.
 */
public final class MergeSet {
  private final Set<String> names;

  private MergeSet(Set<String> names) {
    this.names = names;
  }

  /**
   * The merge set of a base model; it may be empty.
   *
   * @param base the base model's tensors
   * @param patterns exclusion patterns, as {@link NamePatterns} reads them
   * @throws InvalidInput when a pattern cannot be used, with the pattern and the reason
   */
  public static MergeSet of(Collection<TensorInfo> base, List<String> patterns) {
    NamePatterns exclusions = NamePatterns.of(patterns);
    Set<String> names = new TreeSet<>();
    for (TensorInfo tensor : base) {
      if (tensor.dtype().mergeable() && !exclusions.match(tensor.name())) {
        names.add(tensor.name());
      }
    }
    return new MergeSet(Collections.unmodifiableSet(names));
  }

  /** Whether the parameter of this name is merged; false for a name that the base does not have. */
  public boolean merges(String name) {
    return names.contains(name);
  }

  /** The merged parameters' names in their natural order; cannot be modified. */
  public Set<String> names() {
    return names;
  }
}
