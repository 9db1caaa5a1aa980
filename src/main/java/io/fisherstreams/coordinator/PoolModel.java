package io.fisherstreams.coordinator;

import io.fisherstreams.coordinator.PartitionReports.ShardCount;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * One version of a model as the coordinator sees it: its manifest, whether it can be merged with a
 * base model, and the reports of the merge stage's partitions.
 */
public final class PoolModel {
  /**
   * Sums over a model's Fisher, over the merged parameters of a pool.
   *
   * @param total ΣF
   * @param norm N = √ΣF²
   */
  public record Sums(double total, double norm) {}

  /** What was worked out for one base model, until something that it depends on changes. */
  private record Fit(PoolModel base, MergeSet mergeSet, Optional<String> mismatch) {}

  private ModelManifest manifest;
  private final SortedMap<String, TensorInfo> tensors = new TreeMap<>();
  private final SortedMap<String, TensorInfo> merged = new TreeMap<>();
  private final Set<String> unchanged;
  private final PartitionReports reports;
  private MergeSet mergeSet;
  private List<TensorInfo> mergedTensors;
  private ParameterGroups groups;
  private List<MergedPart> mergedParts;
  private MergeFormula formula;
  private Fit fit;

  /** A version as announced, by a manifest that {@link ManifestRules} has checked. */
  public PoolModel(ModelManifest manifest, int partitions) {
    this.manifest = manifest;
    this.unchanged = ManifestTensors.unchangedNames(manifest);
    Map<String, String> names = new HashMap<>();
    int[] checkpoint = new int[partitions];
    int[] fisher = new int[partitions];
    for (Parameter parameter : manifest.getParameters()) {
      TensorInfo tensor = ManifestTensors.of(parameter);
      tensors.put(tensor.name(), tensor);
      names.put(tensor.name(), tensor.name());
      if (parameter.getMerged()) {
        merged.put(tensor.name(), tensor);
      }
      int shards = Shard.count(tensor);
      int home = Shard.partition(tensor.name(), 0, partitions);
      for (int i = 0; i < Math.min(shards, partitions); i++) {
        // every partitions-th shard from the i-th on
        int count = (shards - 1 - i) / partitions + 1;
        int partition = (home + i) % partitions;
        checkpoint[partition] += count;
        fisher[partition] += parameter.getMerged() ? count : 0;
      }
    }
    Map<Integer, ShardCount> shards = new HashMap<>();
    for (int partition = 0; partition < partitions; partition++) {
      if (checkpoint[partition] > 0) {
        shards.put(partition, new ShardCount(checkpoint[partition], fisher[partition]));
      }
    }
    this.reports = new PartitionReports(shards, names);
  }

  /** The newest manifest of this version. */
  public ModelManifest manifest() {
    return manifest;
  }

  /** Replaces the manifest by one with the same content and perhaps another coefficient. */
  void manifest(ModelManifest again) {
    manifest = again;
    mergeSet = null;
    mergedTensors = null;
    mergedParts = null;
    groups = null;
    formula = null;
  }

  /** The merge set of a base model. */
  MergeSet mergeSet() {
    if (mergeSet == null) {
      mergeSet = MergeSet.of(tensors.values(), manifest.getMethod().getExcludeParamNamesRegex());
    }
    return mergeSet;
  }

  /** The groups of parameters of a base model's method. */
  ParameterGroups groups() {
    if (groups == null) {
      groups = MergeMethods.groups(manifest.getMethod());
    }
    return groups;
  }

  /** The merged parameters of a base model, parted by {@link #groups}. */
  List<MergedPart> mergedParts() {
    if (mergedParts == null) {
      mergedParts =
          groups().part(mergedTensors(), TensorInfo::name).stream()
              .map(tensors -> new MergedPart(tensors, MergeSet.of(tensors, List.of())))
              .toList();
    }
    return mergedParts;
  }

  /**
   * Merged parameters of one group, or of none.
   *
   * @param set the same as a merge set
   */
  record MergedPart(List<TensorInfo> tensors, MergeSet set) {}

  /** The formula of a base model's method. */
  public MergeFormula formula() {
    if (formula == null) {
      formula = MergeMethods.formula(manifest.getMethod());
    }
    return formula;
  }

  /** All tensors by name. */
  public SortedMap<String, TensorInfo> tensors() {
    return tensors;
  }

  /** Why this model cannot be merged with that base, empty when it can. */
  Optional<String> mismatch(PoolModel base) {
    if (fit == null || fit.base != base || fit.mergeSet != base.mergeSet()) {
      fit = new Fit(base, base.mergeSet(), findMismatch(base));
    }
    return fit.mismatch;
  }

  private Optional<String> findMismatch(PoolModel base) {
    UnchangedParameters fromBase = manifest.getUnchanged();
    long version = base.manifest.getVersion();
    if (fromBase != null && fromBase.getBaseVersion() != version) {
      return Optional.of(
          String.format(
              Locale.ROOT,
              "it is an adapter of version %d of the base model, which has version %d now; publish it again",
              fromBase.getBaseVersion(),
              version));
    }
    for (String name : base.mergeSet().names()) {
      if (unchanged.contains(name)) {
        continue;
      }
      TensorInfo wanted = base.tensors.get(name);
      TensorInfo found = merged.get(name);
      if (found == null) {
        return Optional.of(
            "parameter " + name + " " + wanted.shape() + " of the base model is missing");
      }
      if (!found.dtype().mergeable()) {
        return Optional.of(
            "parameter " + name + " is " + found.dtype() + ", expected a floating type");
      }
      if (!found.shape().equals(wanted.shape())) {
        return Optional.of(
            "parameter "
                + name
                + " has shape "
                + found.shape()
                + ", the base model has "
                + wanted.shape());
      }
    }
    return Optional.empty();
  }

  /** Adds a partition's report; rejects sums that are no numbers with {@link RejectedRecord}. */
  void progress(int partition, ModelProgress progress) {
    reports.add(partition, progress);
  }

  /** Whether all checkpoint shards have arrived; what a base model needs. */
  public boolean isPresent() {
    return reports.isPresent();
  }

  /** The newest epoch that every partition has sealed, when all shards are present. */
  public Optional<Integer> epoch() {
    return reports.epoch();
  }

  /** Whether all shards are present and every partition has sealed an epoch. */
  boolean has(int epoch) {
    return reports.has(epoch);
  }

  /** Forgets epochs before one that a plan uses. */
  void forgetEpochsBefore(int epoch) {
    reports.forgetEpochsBefore(epoch);
  }

  /** J: how many elements of these tensors of the base have a weight in this model by a method. */
  long entries(Collection<TensorInfo> ofBase, MergeMethod method) {
    boolean all = MergeMethods.weighsUnchanged(method);
    return ofBase.stream()
        .filter(tensor -> all || !unchanged.contains(tensor.name()))
        .mapToLong(TensorInfo::elements)
        .sum();
  }

  /** The tensors of a base model that are merged. */
  List<TensorInfo> mergedTensors() {
    if (mergedTensors == null) {
      mergedTensors =
          tensors.values().stream().filter(tensor -> mergeSet().merges(tensor.name())).toList();
    }
    return mergedTensors;
  }

  /** Sums of a sealed epoch over the merged parameters. */
  public Sums sums(int epoch, MergeSet mergedParameters) {
    return reports.sums(epoch, mergedParameters);
  }

  /** Checkpoint shards that have arrived, over all partitions. */
  public int present() {
    return reports.present();
  }

  /** Checkpoint shards that belong to the model. */
  public int shards() {
    return reports.expected().checkpoint();
  }

  /** Shards that await a Fisher. */
  public int fisherShards() {
    return reports.expected().fisher();
  }

  /** Shards that have sealed the first epoch. */
  public int sealed() {
    return reports.sealed();
  }

  /** The first shards that are missing, by name. */
  public List<String> missing() {
    return reports.missing();
  }
}
