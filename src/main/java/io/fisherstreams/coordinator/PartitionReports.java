package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.RejectedRecord;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.WeakHashMap;

/**
 * What the merge stage's partitions have reported of one model version: which checkpoint shards
 * have arrived, which epochs of its Fisher are sealed, and the sums over them.
 */
final class PartitionReports {
  /**
   * Shards of the version that belong to one partition.
   *
   * @param checkpoint all of them
   * @param fisher those that are merged, so that each needs a Fisher
   */
  record ShardCount(int checkpoint, int fisher) {
    static final ShardCount NONE = new ShardCount(0, 0);

    ShardCount plus(ShardCount other) {
      return new ShardCount(checkpoint + other.checkpoint, fisher + other.fisher);
    }
  }

  /** The parts of a report that have arrived, from the first on. */
  private record Unfinished(int epoch, int parts, List<ReportedSums> sums) {
    boolean isContinuedBy(ModelProgress next) {
      return next.getPart() == sums.size() && next.getParts() == parts && next.getEpoch() == epoch;
    }
  }

  private record KnownSums(int epoch, PoolModel.Sums sums) {}

  private final Map<Integer, ShardCount> expected;
  private final Map<String, String> names;
  private final Map<Integer, ModelProgress> newest = new HashMap<>();
  private final TreeMap<Integer, Map<Integer, List<ReportedSums>>> epochs = new TreeMap<>();
  private final Map<Integer, Unfinished> unfinished = new HashMap<>();
  // those of a merge set that nobody holds any more may go
  private final Map<MergeSet, KnownSums> knownSums = new WeakHashMap<>();

  /**
   * No report yet.
   *
   * @param expected the version's shards, by partition; partitions without any are left out
   * @param names gives each parameter's name as one shared object
   */
  PartitionReports(Map<Integer, ShardCount> expected, Map<String, String> names) {
    this.expected = Map.copyOf(expected);
    this.names = Map.copyOf(names);
  }

  /**
   * Adds a partition's report, or a part of one. A report counts once all its parts have arrived,
   * one after the other. Compaction may leave parts of an earlier report, which are ignored.
   *
   * @throws RejectedRecord when its sums are no numbers
   */
  void add(int partition, ModelProgress progress) {
    ReportedSums sums = ReportedSums.of(progress.getSums(), names);
    if (progress.getPart() == 0) {
      unfinished.put(
          partition, new Unfinished(progress.getEpoch(), progress.getParts(), new ArrayList<>()));
    }
    Unfinished report = unfinished.get(partition);
    if (report == null || !report.isContinuedBy(progress)) {
      return;
    }
    report.sums.add(sums);
    if (report.sums.size() >= report.parts) {
      unfinished.remove(partition);
      add(partition, progress, report.sums);
    }
  }

  private void add(int partition, ModelProgress progress, List<ReportedSums> sums) {
    newest.put(partition, withoutSums(progress));
    knownSums.clear();
    if (isComplete(partition, progress)) {
      epochs.computeIfAbsent(progress.getEpoch(), e -> new HashMap<>()).put(partition, sums);
    } else {
      // the partition has lost a payload, so its earlier reports are no longer true
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
        List.of(),
        0,
        1);
  }

  private boolean isComplete(int partition, ModelProgress progress) {
    ShardCount count = expected.getOrDefault(partition, ShardCount.NONE);
    return progress.getPresent() == count.checkpoint
        && (count.fisher == 0 || progress.getEpoch() > 0);
  }

  /** Whether all checkpoint shards have arrived. */
  boolean isPresent() {
    return expected.entrySet().stream()
        .allMatch(
            entry ->
                newest.containsKey(entry.getKey())
                    && newest.get(entry.getKey()).getPresent() == entry.getValue().checkpoint);
  }

  /** The newest epoch that every partition has sealed, when all shards are present. */
  Optional<Integer> epoch() {
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
    Map<Integer, List<ReportedSums>> reports = epochs.getOrDefault(epoch, Map.of());
    return epoch > 0
        && expected.entrySet().stream()
            .allMatch(entry -> entry.getValue().fisher == 0 || reports.containsKey(entry.getKey()));
  }

  /** Forgets epochs before one that a plan uses. */
  void forgetEpochsBefore(int epoch) {
    epochs.headMap(epoch).clear();
  }

  /**
   * Sums of a sealed epoch over the merged parameters. They are exact up to one rounding, so they
   * do not depend on how shards are spread over partitions.
   */
  PoolModel.Sums sums(int epoch, MergeSet merged) {
    KnownSums known = knownSums.get(merged);
    if (known == null || known.epoch != epoch) {
      BigDecimal[] sums = {BigDecimal.ZERO, BigDecimal.ZERO};
      epochs.get(epoch).values().forEach(parts -> parts.forEach(part -> part.addTo(sums, merged)));
      known =
          new KnownSums(
              epoch,
              new PoolModel.Sums(
                  sums[0].doubleValue(), sums[1].sqrt(MathContext.DECIMAL128).doubleValue()));
      knownSums.put(merged, known);
    }
    return known.sums;
  }

  /** Checkpoint shards that have arrived, over all partitions. */
  int present() {
    return newest.values().stream().mapToInt(ModelProgress::getPresent).sum();
  }

  /** Shards of the version, over all partitions. */
  ShardCount expected() {
    return expected.values().stream().reduce(ShardCount.NONE, ShardCount::plus);
  }

  /** Shards that have sealed the first epoch. */
  int sealed() {
    return newest.values().stream()
        .mapToInt(p -> p.getEpoch() > 0 ? p.getFisherShards() : p.getSealed())
        .sum();
  }

  /** The first shards that are missing, by name. */
  List<String> missing() {
    List<String> missing = new ArrayList<>();
    newest.values().forEach(progress -> missing.addAll(progress.getMissing()));
    missing.sort(null);
    return missing;
  }
}
