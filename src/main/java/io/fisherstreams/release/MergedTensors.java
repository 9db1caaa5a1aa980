package io.fisherstreams.release;

import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.NamePatterns;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Which tensors of a release were merged, and which kept the base's value and why.
 *
 * @param merged tensors and elements that were merged
 * @param excluded floating ones that a pattern excludes
 * @param integers those of a type that is not merged
 * @param tied by the name of each tensor that follows another: that other tensor
 * @param halfExcluded a sentence for each pair of tied tensors of which a pattern excludes one
 */
public record MergedTensors(
    Count merged,
    Count excluded,
    Count integers,
    Map<String, String> tied,
    List<String> halfExcluded) {
  /** A number of tensors, and their elements together. */
  public record Count(long tensors, long elements) {
    static Count of(Collection<TensorInfo> tensors) {
      return new Count(tensors.size(), tensors.stream().mapToLong(TensorInfo::elements).sum());
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT, "%,d tensor%s (%,d parameters)", tensors, tensors == 1 ? "" : "s", elements);
    }
  }

  /**
   * Counts.
   *
   * @param tensors all tensors of the release, without those that follow another
   * @param patterns exclusion patterns
   */
  public static MergedTensors of(
      Collection<TensorInfo> tensors, List<String> patterns, TiedWeights ties) {
    MergeSet set = MergeSet.of(tensors, patterns);
    List<TensorInfo> merged = new ArrayList<>();
    List<TensorInfo> excluded = new ArrayList<>();
    List<TensorInfo> integers = new ArrayList<>();
    for (TensorInfo tensor : tensors) {
      if (set.merges(tensor.name())) {
        merged.add(tensor);
      } else if (tensor.dtype().mergeable()) {
        excluded.add(tensor);
      } else {
        integers.add(tensor);
      }
    }
    return new MergedTensors(
        Count.of(merged),
        Count.of(excluded),
        Count.of(integers),
        ties.sources(),
        ties.exclusions(NamePatterns.of(patterns)::match));
  }

  /** One line for each kind that occurs. */
  public List<String> lines() {
    List<String> lines = new ArrayList<>();
    lines.add("merged " + merged);
    if (excluded.tensors > 0) {
      lines.add("kept the base's value: " + excluded + ", excluded by pattern");
    }
    if (integers.tensors > 0) {
      lines.add("kept the base's value: " + integers + ", not of a floating type");
    }
    tied.forEach((name, source) -> lines.add(name + " is tied to " + source + " and follows it"));
    lines.addAll(halfExcluded);
    return lines;
  }
}
