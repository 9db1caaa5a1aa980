package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.record.CountedExamples;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Runs;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What one worker has read of its partitions of topic {@code examples} and not yet committed, and
 * which examples of these partitions are counted. It knows no Kafka client.
 *
 * <p>Models are served in the order in which their oldest example arrived, whatever lies between
 * their examples: an example that is counted out of turn is known by its model's runs of counted
 * places, and a partition is committed up to the first record that is not handled. A record behind
 * that is read again after a restart, and skipped when it is counted.
 */
final class Backlog {
  private static final class Partition {
    final Deque<PendingExample> records = new ArrayDeque<>();
    final Map<ModelVersion, List<Long>> counted = new HashMap<>();
  }

  /**
   * The front of a partition.
   *
   * @param refused records that were handled at its front, and refused
   * @param nextOffset offset of the first record that is not handled
   * @param advanced whether records were handled at its front
   */
  record Front(List<PendingExample> refused, long nextOffset, boolean advanced) {}

  private final int partitions;
  private final Map<Integer, Partition> owned = new TreeMap<>();
  private final Map<ModelVersion, List<PendingExample>> waiting = new HashMap<>();
  private final Set<Long> taken = new HashSet<>();
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

  /** Begins with a partition, given the runs of counted places in it. */
  void assign(int partition, Map<ModelVersion, List<Long>> counted) {
    Partition fresh = new Partition();
    fresh.counted.putAll(counted);
    owned.put(partition, fresh);
    missing.clear();
  }

  /** Gives a partition up. */
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
    Deque<PendingExample> records = owned.get(partition).records;
    OptionalLong first =
        records.isEmpty() ? OptionalLong.empty() : OptionalLong.of(records.peekFirst().offset());
    records.clear();
    waiting.values().forEach(list -> list.removeIf(example -> example.partition() == partition));
    missing.clear();
    prune();
    return first;
  }

  /** Whether the worker has the partition. */
  boolean owns(int partition) {
    return owned.containsKey(partition);
  }

  /** Takes a record in, the next of its partition. */
  void add(PendingExample record) {
    owned.get(record.partition()).records.addLast(record);
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

  /** Bytes that the records hold. */
  long bytes() {
    return owned.values().stream()
        .flatMap(partition -> partition.records.stream())
        .mapToLong(PendingExample::bytes)
        .sum();
  }

  /** The models with examples that wait, that with the oldest first. */
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
   * Takes batches of a model for the claim under way; there is one at a time. They are full batches
   * in the order of the examples' indexes, so that sums do not depend on how partitions were read;
   * one behind an example that is still to come waits for it. The last batch of all wanted examples
   * may be shorter.
   *
   * @param most examples, at most, up to a batch
   * @param all whether to take what waits as it is. Batches of an estimator that depends on them
   *     are taken when they are complete, whatever is asked
   */
  List<List<PendingExample>> take(EstimatedModel model, long most, boolean all) {
    List<List<PendingExample>> batches = select(model, most, all);
    batches.stream()
        .flatMap(List::stream)
        .forEach(
            example -> {
              example.take();
              taken.add(example.index());
            });
    waiting
        .getOrDefault(model.version(), new ArrayList<>())
        .removeIf(example -> !example.isWaiting());
    prune();
    return batches;
  }

  private List<List<PendingExample>> select(EstimatedModel model, long most, boolean all) {
    Map<Long, PendingExample> free = new LinkedHashMap<>();
    for (PendingExample example : waiting.getOrDefault(model.version(), List.of())) {
      if (!taken.contains(example.index())) {
        free.putIfAbsent(example.index(), example);
      }
    }
    return model.estimator().dependsOnBatches()
        ? neighbours(model, free, most)
        : inTurn(model, new TreeMap<>(free), most, all);
  }

  private List<List<PendingExample>> inTurn(
      EstimatedModel model, SortedMap<Long, PendingExample> free, long most, boolean all) {
    long wanted = model.manifest().getExamples();
    long next = all ? wanted : missing(model, free.keySet());
    List<PendingExample> inOrder =
        free.values().stream()
            .filter(example -> example.index() < next || example.index() >= wanted)
            .toList();
    boolean last = all || (next >= wanted && model.manifest().getRefineEvery() == 0);
    List<List<PendingExample>> batches = new ArrayList<>();
    for (int from = 0; from < inOrder.size() && from < most; from += model.batchSize()) {
      int to = Math.min(inOrder.size(), from + model.batchSize());
      if (last || to - from == model.batchSize()) {
        batches.add(inOrder.subList(from, to));
      }
    }
    return batches;
  }

  /**
   * The lowest wanted index of the worker's partitions that is neither counted nor taken nor free;
   * the number of wanted examples when there is none.
   */
  private long missing(EstimatedModel model, Set<Long> free) {
    long wanted = model.manifest().getExamples();
    long index = missing.getOrDefault(model.version(), 0L);
    while (index < wanted
        && (free.contains(index) || taken.contains(index) || isElsewhere(model, index))) {
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

  /** Whether every example that the model takes is counted, taken, or another worker's. */
  boolean isComplete(EstimatedModel model) {
    return model.manifest().getRefineEvery() == 0
        && !waiting.containsKey(model.version())
        && missing(model, Set.of()) >= model.manifest().getExamples();
  }

  private List<List<PendingExample>> neighbours(
      EstimatedModel model, Map<Long, PendingExample> free, long most) {
    Map<Long, List<PendingExample>> byBatch = new TreeMap<>();
    new TreeMap<>(free)
        .forEach(
            (index, example) ->
                byBatch
                    .computeIfAbsent(model.batch(index).first(), b -> new ArrayList<>())
                    .add(example));
    List<List<PendingExample>> batches = new ArrayList<>();
    long count = 0;
    for (Map.Entry<Long, List<PendingExample>> batch : byBatch.entrySet()) {
      if (count < most && isComplete(model, model.batch(batch.getKey()), free.keySet())) {
        batches.add(batch.getValue());
        count += batch.getValue().size();
      }
    }
    return batches;
  }

  private boolean isComplete(EstimatedModel model, EstimatedModel.Batch batch, Set<Long> free) {
    for (long index = batch.first(); index < batch.end(); index++) {
      if (!free.contains(index)
          && !taken.contains(index)
          && !isCounted(model, model.partition(index, partitions), index)) {
        return false;
      }
    }
    return true;
  }

  /** The claim under way is given up; its partitions are to be rewound or revoked. */
  void abandonClaim() {
    taken.clear();
    missing.clear();
  }

  /** Refuses all of a version that wait. */
  void refuseWaiting(ModelVersion version, String reason) {
    List<PendingExample> examples = waiting.remove(version);
    if (examples != null) {
      examples.forEach(example -> example.refuse(reason));
    }
  }

  /**
   * Counts the examples of the claim under way, which is over then, and skips what waits under the
   * same indexes.
   *
   * @return by partition what is now counted of the model
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
    taken.clear();
    List<PendingExample> others = waiting.getOrDefault(version, new ArrayList<>());
    others.stream().filter(this::isCounted).forEach(PendingExample::count);
    others.removeIf(PendingExample::isHandled);
    prune();
    return changed;
  }

  /** The versions of which something is counted. */
  Set<ModelVersion> counted() {
    Set<ModelVersion> versions = new HashSet<>();
    owned.values().forEach(partition -> versions.addAll(partition.counted.keySet()));
    return versions;
  }

  /**
   * Forgets what is counted of a version that takes no more examples.
   *
   * @return the partitions in which something was
   */
  List<Integer> forget(ModelVersion version) {
    missing.remove(version);
    return owned.entrySet().stream()
        .filter(partition -> partition.getValue().counted.remove(version) != null)
        .map(Map.Entry::getKey)
        .toList();
  }

  /** How many handled records lie at the partitions' fronts. */
  long handled() {
    return owned.values().stream()
        .mapToLong(
            partition -> partition.records.stream().takeWhile(PendingExample::isHandled).count())
        .sum();
  }

  /** Takes the handled records off the front of each partition that has records. */
  Map<Integer, Front> takeHandled() {
    Map<Integer, Front> fronts = new TreeMap<>();
    owned.forEach(
        (number, partition) -> {
          Deque<PendingExample> records = partition.records;
          if (records.isEmpty()) {
            return;
          }
          List<PendingExample> refused = new ArrayList<>();
          long before = records.peekFirst().offset();
          long next = before;
          while (!records.isEmpty() && records.peekFirst().isHandled()) {
            PendingExample record = records.removeFirst();
            next = record.offset() + 1;
            if (record.isRefused()) {
              refused.add(record);
            }
          }
          if (!records.isEmpty()) {
            next = records.peekFirst().offset();
          }
          fronts.put(number, new Front(refused, next, next > before));
        });
    return fronts;
  }

  private void prune() {
    waiting.values().removeIf(List::isEmpty);
  }
}
