package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Where a search begins.
 *
 * @param file the merge, with the groups of parameters that are searched
 * @param settings its settings, with λ of every model in every group
 */
public record TuningStart(MergeFile file, Settings settings) {
  /**
   * The start of a merge's search.
   *
   * @param groups into how many groups its layers are parted; empty for the merge's own groups
   * @throws InvalidInput when the merge has groups already, or its layers make not so many
   */
  public static TuningStart of(MergeFile file, OptionalInt groups) {
    if (groups.isEmpty() && file.method().groups().isEmpty()) {
      return new TuningStart(file, settings(file, true));
    }
    Collection<TensorInfo> merged = merged(file);
    MergeFile grouped = file;
    if (groups.isPresent()) {
      if (!file.method().groups().isEmpty()) {
        throw new InvalidInput(
            "the method has the groups %s already: remove --groups to search them"
                .formatted(file.method().groups().names()));
      }
      grouped = file.with(LayerGroups.of(merged, groups.getAsInt()));
    }
    ParameterGroups all = grouped.method().groups();
    all.requireMembers(merged.stream().map(TensorInfo::name).toList());
    boolean hasRest =
        merged.stream().anyMatch(tensor -> all.indexOf(tensor.name()) == ParameterGroups.NO_GROUP);
    return new TuningStart(grouped, settings(grouped, hasRest));
  }

  private static Collection<TensorInfo> merged(MergeFile file) {
    try (Checkpoint base = Checkpoint.open(file.base())) {
      BaseModel model = BaseModel.of(base, file.method().excludeParamNamesRegex());
      return model.tensors().stream()
          .filter(tensor -> model.mergeSet().merges(tensor.name()))
          .toList();
    }
  }

  private static Settings settings(MergeFile file, boolean hasRest) {
    SortedMap<String, Coefficients> settings = new TreeMap<>();
    List<String> groups = file.method().groups().names();
    for (MergeFile.Model model : file.models()) {
      Coefficients given = file.coefficients(model);
      SortedMap<String, Double> ofGroups = new TreeMap<>(given.ofGroups());
      groups.forEach(group -> ofGroups.putIfAbsent(group, given.own().orElseThrow()));
      settings.put(
          model.name(), new Coefficients(hasRest ? given.own() : OptionalDouble.empty(), ofGroups));
    }
    return new Settings(file.method().formula(), settings);
  }
}
