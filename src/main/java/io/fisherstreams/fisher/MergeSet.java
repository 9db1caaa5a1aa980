package io.fisherstreams.fisher;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

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
   * @param patterns exclusion patterns, Java regular expressions
   * @throws InvalidInput when a pattern is no regular expression, with the pattern and the position
   */
  public static MergeSet of(Collection<TensorInfo> base, List<String> patterns) {
    List<Pattern> exclusions = patterns.stream().map(MergeSet::compile).toList();
    Set<String> names = new TreeSet<>();
    for (TensorInfo tensor : base) {
      if (tensor.dtype().mergeable()
          && exclusions.stream().noneMatch(p -> p.matcher(tensor.name()).lookingAt())) {
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

  private static Pattern compile(String pattern) {
    try {
      return Pattern.compile(pattern);
    } catch (PatternSyntaxException e) {
      String position = e.getIndex() < 0 ? "" : " at position " + e.getIndex();
      throw new InvalidInput(
          "exclusion pattern '%s' is no regular expression: %s%s"
              .formatted(pattern, e.getDescription(), position),
          e);
    }
  }
}
