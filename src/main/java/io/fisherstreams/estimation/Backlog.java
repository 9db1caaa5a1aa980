package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.record.CountedExamples;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Runs;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;

/**
 * The examples that one worker has read of its partitions of topic {@code examples} and not yet
 * committed, and the runs of examples that are counted in these partitions. It knows no Kafka
 * client.
 *
 * <p>Models are served in the order in which their oldest example arrived. So an example may be
 * counted before records of other models that have lower offsets. Such an example is read again
 * after a restart, and skipped because its model's runs contain it.
 */
final class Backlog {
  private static final class Partition {
    final CommitFront front = new CommitFront();
    final Map<ModelVersion, List<Long>> counted = new HashMap<>();
  }

  private final int partitions;
  private final Map<Integer, Partition> owned = new TreeMap<>();
  private final Map<ModelVersion, List<PendingExample>> waiting = new HashMap<>();
  private final Set<Long> claimed = new HashSet<>();
  private final Map<ModelVersion, Long> missing = new HashMap<>();
  private long arrivals;

  /**
   * A worker without partitions.
   *
   * @param partitions of the topic
   */
  Backlog(int partitions) {
    this.partitions = partitions;
  }

  /** Adds a partition, given the runs of counted positions in it. */
  void assign(int partition, Map<ModelVersion, List<Long>> counted) {
    Partition fresh = new Partition();
    fresh.counted.putAll(counted);
    owned.put(partition, fresh);
    missing.clear();
  }

  /** Removes a partition. */
  void revoke(int partition) {
    rewind(partition);
    owned.remove(partition);
  }

  /**
   * Forgets the records of a partition, which are to be read again.
   *
   * @return the offset of the first of them
   */
  OptionalLong rewind(int partition) {
    OptionalLong first = owned.get(partition).front.clear();
    waiting.values().forEach(list -> list.removeIf(example -> example.partition() == partition));
    missing.clear();
    prune();
    return first;
  }

  /** Whether the worker has the partition. */
  boolean owns(int partition) {
    return owned.containsKey(partition);
  }

  /** Adds a record, the next of its partition. */
  void add(PendingExample record) {
    owned.get(record.partition()).front.add(record);
    if (record.isHandled()) {
      return;
    }
    if (isCounted(record)) {
      record.count();
      return;
    }
    record.arrive(arrivals++);
    waiting.computeIfAbsent(record.version(), v -> new ArrayList<>()).add(record);
  }

  private boolean isCounted(PendingExample example) {
    return isCounted(example.model(), example.partition(), example.index());
  }

  private boolean isCounted(EstimatedModel model, int partition, long index) {
    List<Long> runs = owned.get(partition).counted.getOrDefault(model.version(), List.of());
    return Runs.contains(runs, model.place(index, partitions));
  }

  /** Bytes that the records still hold. */
  long bytes() {
    return owned.values().stream().mapToLong(partition -> partition.front.bytes()).sum();
  }

  /** The models with waiting examples; the model with the oldest one is first. */
  List<EstimatedModel> waiting() {
    return waiting.values().stream()
        .map(examples -> examples.get(0))
        .sorted(Comparator.comparingLong(PendingExample::arrival))
        .map(PendingExample::model)
        .toList();
  }

  /** Whether {@link #take} would find anything. */
  boolean canTake(EstimatedModel model, boolean all) {
    return !select(model, Long.MAX_VALUE, all).isEmpty();
  }

  /**
   * Adds batches of a model to the claim under way; there is one at a time. These are full batches
   * in the order of the examples' indexes, so that sums do not depend on the order in which
   * partitions were read: an example behind one that has not arrived yet waits for it. The last
   * batch of all wanted examples may be shorter. Batches of an estimator that depends on them are
   * taken only when they are complete.
   *
   * @param max examples; the last batch may exceed it
   * @param all whether to take the waiting examples without waiting for those before them
   */
  List<List<PendingExample>> take(EstimatedModel model, long max, boolean all) {
    List<List<PendingExample>> batches = select(model, max, all);
    while (rejectBeyondRuns(model, batches)) {
      batches = select(model, max, all);
    }
    batches.stream()
        .flatMap(List::stream)
        .forEach(
            example -> {
              example.claim();
              claimed.add(example.index());
            });
    waiting
        .getOrDefault(model.version(), new ArrayList<>())
        .removeIf(example -> !example.isWaiting());
    prune();
    return batches;
  }

  /**
   * Rejects the examples of a claim after which the counted ones would have more runs than a record
   * of them can hold.
   *
   * @return whether there were any
   */
  private boolean rejectBeyondRuns(EstimatedModel model, List<List<PendingExample>> batches) {
    Map<Integer, List<Long>> counted = new HashMap<>();
    boolean rejected = false;
    for (PendingExample example : batches.stream().flatMap(List::stream).toList()) {
      List<Long> runs =
          counted.getOrDefault(
              example.partition(),
              owned.get(example.partition()).counted.getOrDefault(model.version(), List.of()));
      // examples that are claimed and not counted yet may have a run each
      if (runs.size() / 2 + claimed.size() + batches.size() * model.batchSize()
          < Limits.MAX_EXAMPLE_RUNS) {
        continue;
      }
      List<Long> more = Runs.with(runs, model.place(example.index(), partitions));
      if (more.size() > runs.size() && more.size() / 2 + claimed.size() > Limits.MAX_EXAMPLE_RUNS) {
        example.reject(
            new Rejection(
                RejectionKind.LIMIT,
                String.format(
                    Locale.ROOT,
                    "%s has %d gaps between its counted examples in partition %d; number the examples"
                        + " without gaps, or publish the model again",
                    model.version(),
                    runs.size() / 2,
                    example.partition())));
        rejected = true;
      } else {
        counted.put(example.partition(), more);
      }
    }
    if (rejected) {
      waiting.get(model.version()).removeIf(example -> !example.isWaiting());
      prune();
    }
    return rejected;
  }

  private List<List<PendingExample>> select(EstimatedModel model, long max, boolean all) {
    TreeMap<Long, PendingExample> free = new TreeMap<>();
    for (PendingExample example : waiting.getOrDefault(model.version(), List.of())) {
      if (!claimed.contains(example.index())) {
        free.putIfAbsent(example.index(), example);
      }
    }
    if (model.estimator().dependsOnBatches()) {
      return BatchSelection.ofNeighbours(
          model,
          free,
          max,
          index ->
              claimed.contains(index)
                  || isCounted(model, model.partition(index, partitions), index));
    }
    long wanted = model.manifest().getExamples();
    long next = all ? wanted : missing(model, free.keySet());
    List<PendingExample> examples =
        free.values().stream()
            .filter(example -> example.index() < next || example.index() >= wanted)
            .toList();
    boolean isLast = all || (next >= wanted && model.manifest().getRefineEvery() == 0);
    return BatchSelection.inOrder(examples, model.batchSize(), max, isLast);
  }

  /**
   * The lowest wanted index in the worker's partitions that is neither counted nor claimed nor
   * free; the number of wanted examples when there is none.
   */
  private long missing(EstimatedModel model, Set<Long> free) {
    long wanted = model.manifest().getExamples();
    long index = missing.getOrDefault(model.version(), 0L);
    while (index < wanted
        && (free.contains(index) || claimed.contains(index) || isElsewhere(model, index))) {
      index++;
    }
    missing.put(model.version(), index);
    return index;
  }

  /** Whether an example is counted, or another worker's. */
  private boolean isElsewhere(EstimatedModel model, long index) {
    int partition = model.partition(index, partitions);
    return !owned.containsKey(partition) || isCounted(model, partition, index);
  }

  /**
   * Whether every wanted example is counted, claimed, or another worker's, and no more can come.
   */
  boolean isComplete(EstimatedModel model) {
    return model.manifest().getRefineEvery() == 0
        && !waiting.containsKey(model.version())
        && missing(model, Set.of()) >= model.manifest().getExamples();
  }

  /** Abandons the claim under way; the caller rewinds or revokes its partitions. */
  void abandonClaim() {
    claimed.clear();
    missing.clear();
  }

  /** Rejects all waiting examples of a version. */
  void rejectWaiting(ModelVersion version, Rejection rejection) {
    List<PendingExample> examples = waiting.remove(version);
    if (examples != null) {
      examples.forEach(example -> example.reject(rejection));
    }
  }

  /**
   * Counts the examples of the claim under way, which ends it, and skips waiting examples with the
   * same indexes.
   *
   * @return by partition: what is now counted of the model
   */
  Map<Integer, CountedExamples> count(EstimatedModel model, Collection<PendingExample> examples) {
    Map<Integer, CountedExamples> changed = new TreeMap<>();
    ModelVersion version = model.version();
    for (PendingExample example : examples) {
      Map<ModelVersion, List<Long>> counted = owned.get(example.partition()).counted;
      List<Long> runs =
          Runs.with(
              counted.getOrDefault(version, List.of()), model.place(example.index(), partitions));
      counted.put(version, runs);
      changed.put(
          example.partition(), new CountedExamples(version.model(), version.version(), runs));
      example.count();
    }
    claimed.clear();
    List<PendingExample> others = waiting.getOrDefault(version, new ArrayList<>());
    others.stream().filter(this::isCounted).forEach(PendingExample::count);
    others.removeIf(PendingExample::isHandled);
    prune();
    return changed;
  }

  /** The versions that have counted examples. */
  Set<ModelVersion> counted() {
    Set<ModelVersion> versions = new HashSet<>();
    owned.values().forEach(partition -> versions.addAll(partition.counted.keySet()));
    return versions;
  }

  /**
   * Forgets the counted examples of a version that accepts no more.
   *
   * @return the partitions that had any
   */
  List<Integer> forget(ModelVersion version) {
    missing.remove(version);
    return owned.entrySet().stream()
        .filter(partition -> partition.getValue().counted.remove(version) != null)
        .map(Map.Entry::getKey)
        .toList();
  }

  /** How many records could be committed now. */
  long handled() {
    return owned.values().stream().mapToLong(partition -> partition.front.handled()).sum();
  }

  /** Removes the records that can be committed now, of each partition that has records. */
  Map<Integer, CommitFront.Committable> takeHandled() {
    Map<Integer, CommitFront.Committable> committable = new TreeMap<>();
    owned.forEach(
        (number, partition) ->
            partition.front.advance().ifPresent(front -> committable.put(number, front)));
    return committable;
  }

  private void prune() {
    waiting.values().removeIf(List::isEmpty);
  }
}
