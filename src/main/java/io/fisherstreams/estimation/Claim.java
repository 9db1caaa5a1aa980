package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Rejection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The examples of one model version whose squared gradients are summed between two flushes. Pure:
 * each caller passes the time, in nanoseconds of {@link System#nanoTime}.
 */
final class Claim {
  private static final Duration LOG_EVERY = Duration.ofSeconds(10);

  // Summed in one task: the other thread then never waits, and a claim can still be abandoned soon.
  private static final int BATCHES_PER_TASK = 4;

  private final EstimatedModel model;
  private final long maxExamples;
  private final long began;
  private final List<PendingExample> examples = new ArrayList<>();
  private final Map<PendingExample, Rejection> rejections = new LinkedHashMap<>();
  private long logged;

  /**
   * A claim without examples.
   *
   * @param maxExamples at which it is full; its last batch may exceed it
   */
  Claim(EstimatedModel model, long maxExamples, long now) {
    this.model = model;
    this.maxExamples = maxExamples;
    this.began = now;
    this.logged = now;
  }

  EstimatedModel model() {
    return model;
  }

  ModelVersion version() {
    return model.version();
  }

  /** How many examples it has, rejected ones included. */
  int size() {
    return examples.size();
  }

  /** Whether it has as many examples as it may have. */
  boolean isFull() {
    return examples.size() >= maxExamples;
  }

  /** How many more examples one task may add; not positive when it is full. */
  long room() {
    return Math.min(maxExamples - examples.size(), (long) BATCHES_PER_TASK * model.batchSize());
  }

  /**
   * Whether it is flushed although no more batches can be added now.
   *
   * @param isIdle whether no more examples of the version are expected soon
   * @param isComplete whether every example of the version is counted or claimed
   */
  boolean isDue(boolean isIdle, boolean isComplete) {
    return isFull() || isIdle || isComplete;
  }

  /** Adds batches whose gradients are to be summed. */
  void add(List<List<PendingExample>> batches) {
    batches.forEach(examples::addAll);
  }

  /**
   * Batches are in the sums, except the rejected examples. The contents of the others are dropped.
   *
   * @param rejected with the reason
   */
  void summed(List<List<PendingExample>> batches, Map<PendingExample, Rejection> rejected) {
    rejections.putAll(rejected);
    batches.stream()
        .flatMap(List::stream)
        .filter(example -> !rejected.containsKey(example))
        .forEach(PendingExample::release);
  }

  /** The partitions of its examples. */
  Set<Integer> partitions() {
    return examples.stream().map(PendingExample::partition).collect(Collectors.toSet());
  }

  /**
   * Ends the claim: marks the rejected examples.
   *
   * @return the other examples, which are to be counted
   */
  List<PendingExample> end() {
    rejections.forEach(PendingExample::reject);
    return examples.stream().filter(example -> !example.isRejected()).toList();
  }

  /**
   * The first of the examples by partition and offset. It identifies a flush: no other flush counts
   * this example.
   */
  static PendingExample first(List<PendingExample> counted) {
    return counted.stream()
        .min(
            Comparator.comparingInt(PendingExample::partition)
                .thenComparingLong(PendingExample::offset))
        .orElseThrow();
  }

  /** Seconds since the claim began. */
  double seconds(long now) {
    return (now - began) / 1e9;
  }

  /** Whether its progress is to be logged now: every ten seconds. */
  boolean isLogDue(long now) {
    boolean isDue = now - logged >= LOG_EVERY.toNanos();
    if (isDue) {
      logged = now;
    }
    return isDue;
  }
}
