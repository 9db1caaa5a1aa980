package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * One version of a model as the coordinator sees it: its manifest and what the merge stage's
 * partitions have reported of it.
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

  private record KnownSums(int epoch, MergeSet mergeSet, Sums sums) {}

  private ModelManifest manifest;
  private final SortedMap<String, TensorInfo> tensors = new TreeMap<>();
  private final SortedMap<String, TensorInfo> merged = new TreeMap<>();
  private final Map<Integer, int[]> expected = new HashMap<>();
  private final Map<Integer, ModelProgress> newest = new HashMap<>();
  private final TreeMap<Integer, Map<Integer, ReportedSums>> epochs = new TreeMap<>();
  private final Map<String, String> names = new HashMap<>();
  private MergeSet mergeSet;
  private Fit fit;
  private KnownSums knownSums;

  /** A version as announced; refuses a manifest that makes no sense with {@link RejectedRecord}. */
  public PoolModel(ModelManifest manifest, int partitions) {
    this.manifest = manifest;
    for (Parameter parameter : manifest.getParameters()) {
      TensorInfo tensor = ManifestTensors.of(parameter);
      if (tensors.put(tensor.name(), tensor) != null) {
        throw new RejectedRecord("parameter " + tensor.name() + " is listed twice");
      }
      names.put(tensor.name(), tensor.name());
      if (parameter.getMerged()) {
        merged.put(tensor.name(), tensor);
      }
      for (int shard = 0; shard < Shard.count(tensor); shard++) {
        int[] counts =
            expected.computeIfAbsent(
                Shard.partition(tensor.name(), shard, partitions), p -> new int[2]);
        counts[0]++;
        counts[1] += parameter.getMerged() ? 1 : 0;
      }
    }
    if (tensors.isEmpty()) {
      throw new RejectedRecord("the manifest lists no parameter");
    }
  }

  /** The newest manifest of this version. */
  public ModelManifest manifest() {
    return manifest;
  }

  /** Takes a new coefficient over. */
  void manifest(ModelManifest again) {
    manifest = again;
    mergeSet = null;
  }

  /** The merge set of a base model. */
  MergeSet mergeSet() {
    if (mergeSet == null) {
      mergeSet = MergeSet.of(tensors.values(), manifest.getMethod().getExcludeParamNamesRegex());
    }
    return mergeSet;
  }

  /** All tensors by name. */
  public SortedMap<String, TensorInfo> tensors() {
    return tensors;
  }

  /** Takes a partition's report; refuses sums that are no numbers with {@link RejectedRecord}. */
  void progress(int partition, ModelProgress progress) {
    ReportedSums sums = ReportedSums.of(progress.getSums(), names);
    newest.put(partition, withoutSums(progress));
    knownSums = null;
    if (isComplete(partition, progress)) {
      epochs.computeIfAbsent(progress.getEpoch(), e -> new HashMap<>()).put(partition, sums);
    } else {
      // the partition has lost a payload: nothing that it reported before holds
      epochs.values().forEach(reports -> reports.remove(partition));
    }
  }

  private static ModelProgress withoutSums(ModelProgress progress) {
    return new ModelProgress(
        progress.getModel(),
        progress.getVersion(),
        progress.getShards(),
        progress.getPresent(),
        progress.getFisherShards(),
        progress.getEpoch(),
        progress.getSealed(),
        progress.getMissing(),
        List.of());
  }

  private boolean isComplete(int partition, ModelProgress progress) {
    int[] counts = expected.getOrDefault(partition, new int[2]);
    return progress.getPresent() == counts[0] && (counts[1] == 0 || progress.getEpoch() > 0);
  }

  /** Whether all checkpoint shards have arrived; what a base model needs. */
  public boolean isPresent() {
    return expected.entrySet().stream()
        .allMatch(
            entry ->
                newest.containsKey(entry.getKey())
                    && newest.get(entry.getKey()).getPresent() == entry.getValue()[0]);
  }

  /** The newest epoch that every partition has sealed, when all shards are present. */
  public Optional<Integer> epoch() {
    if (!isPresent()) {
      return Optional.empty();
    }
    return epochs.descendingKeySet().stream().filter(this::isSealed).findFirst();
  }

  /** Whether all shards are present and every partition has sealed an epoch. */
  boolean has(int epoch) {
    return isPresent() && isSealed(epoch);
  }

  private boolean isSealed(int epoch) {
    Map<Integer, ReportedSums> reports = epochs.getOrDefault(epoch, Map.of());
    return epoch > 0
        && expected.entrySet().stream()
            .allMatch(entry -> entry.getValue()[1] == 0 || reports.containsKey(entry.getKey()));
  }

  /** Forgets epochs before one that a plan uses. */
  void forgetEpochsBefore(int epoch) {
    epochs.headMap(epoch).clear();
  }

  /** Why this model cannot be merged with that base, empty when it can. */
  Optional<String> mismatch(PoolModel base) {
    if (fit == null || fit.base != base || fit.mergeSet != base.mergeSet()) {
      fit = new Fit(base, base.mergeSet(), findMismatch(base));
    }
    return fit.mismatch;
  }

  private Optional<String> findMismatch(PoolModel base) {
    for (String name : base.mergeSet().names()) {
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

  /**
   * Sums of an epoch over the merged parameters; exact up to one rounding, so partitions leave no
   * trace in them.
   */
  public Sums sums(int epoch, MergeSet merged) {
    if (knownSums == null || knownSums.epoch != epoch || knownSums.mergeSet != merged) {
      BigDecimal[] sums = {BigDecimal.ZERO, BigDecimal.ZERO};
      epochs.get(epoch).values().forEach(report -> report.addTo(sums, merged));
      knownSums =
          new KnownSums(
              epoch,
              merged,
              new Sums(sums[0].doubleValue(), sums[1].sqrt(MathContext.DECIMAL128).doubleValue()));
    }
    return knownSums.sums;
  }

  /** Checkpoint shards that have arrived, over all partitions. */
  public int present() {
    return newest.values().stream().mapToInt(ModelProgress::getPresent).sum();
  }

  /** Checkpoint shards that belong to the model. */
  public int shards() {
    return expected.values().stream().mapToInt(counts -> counts[0]).sum();
  }

  /** Shards that await a Fisher. */
  public int fisherShards() {
    return expected.values().stream().mapToInt(counts -> counts[1]).sum();
  }

  /** Shards that have sealed the first epoch. */
  public int sealed() {
    return newest.values().stream()
        .mapToInt(p -> p.getEpoch() > 0 ? p.getFisherShards() : p.getSealed())
        .sum();
  }

  /** The first shards that are missing, by name. */
  public List<String> missing() {
    List<String> missing = new ArrayList<>();
    newest.values().forEach(progress -> missing.addAll(progress.getMissing()));
    missing.sort(null);
    return missing;
  }
}
