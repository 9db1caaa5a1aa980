package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.NamePatterns;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What is published of a base: each parameter once. A tensor that is tied to another is not sent;
 * an export writes it as a copy of that other one.
 *
 * @param path the base's file or folder
 * @param tensors the tensors to publish
 * @param ties the tied ones
 * @param mergeSet the merged parameters; may be empty
 * @param exclusionWarnings a sentence for each pair of tied tensors of which the patterns exclude
 *     one, and for each pattern that excludes nothing because it does not begin as a name does
 */
public record BaseModel(
    Path path,
    List<TensorInfo> tensors,
    TiedWeights ties,
    MergeSet mergeSet,
    List<String> exclusionWarnings) {
  /** Looks at a base's tensors. */
  public static BaseModel of(Checkpoint base, List<String> patterns) {
    TiedWeights ties = TiedWeights.of(base);
    List<TensorInfo> tensors =
        base.tensors().values().stream()
            .filter(tensor -> !ties.sources().containsKey(tensor.name()))
            .toList();
    return new BaseModel(
        base.path(),
        tensors,
        ties,
        MergeSet.of(tensors, patterns),
        exclusionWarnings(base, ties, NamePatterns.of(patterns)));
  }

  private static List<String> exclusionWarnings(
      Checkpoint base, TiedWeights ties, NamePatterns patterns) {
    List<String> warnings = new ArrayList<>(ties.exclusions(patterns::match));
    TiedWeights.exclusionOfImpliedHead(base, patterns::match).ifPresent(warnings::add);
    warnings.addAll(patterns.misplaced(base.tensors().keySet()));
    return List.copyOf(warnings);
  }

  /** What a model leaves as this base has it. */
  public Optional<UnchangedParameters> unchanged(Checkpoint model, long version) {
    Set<String> names = tensors.stream().map(TensorInfo::name).collect(Collectors.toSet());
    return Manifests.unchanged(model, version, names::contains);
  }

  /** Opens a model or a LoRA adapter that is merged onto this base, under the base's names. */
  public Checkpoint open(Path model) {
    List<String> known = new ArrayList<>(ties.sources().keySet());
    tensors.forEach(tensor -> known.add(tensor.name()));
    return Checkpoint.openAs(model, Optional.of(path), mergeSet.names(), known);
  }
}
