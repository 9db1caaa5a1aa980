package io.fisherstreams.kafka;

import io.fisherstreams.Backoff;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.Topic;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A stage that processes every record of small topics at least once, one after another and in the
 * order of each partition. It continues from its consumer group's committed offset; of several
 * instances one works and the others stand by. A record may take as long as it needs: the consumer
 * goes on polling meanwhile.
 */
public final class TopicFollower implements StageInstance {
  private static final Logger LOG = LoggerFactory.getLogger(TopicFollower.class);
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration FIRST_WAIT = Duration.ofSeconds(1);
  private static final Duration MAX_WAIT = Duration.ofSeconds(10);
  // A broker that is gone never answers a consumer that leaves its group.
  private static final Duration LEAVE_WITHIN = Duration.ofSeconds(5);
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(20);

  /** Where a group without a committed offset begins. */
  public interface Start {
    /** At the topics' present end: with new records. */
    Start END =
        (consumer, partition) -> {
          consumer.seekToEnd(List.of(partition));
          return consumer.position(partition);
        };

    /** The offset of the first record to process. */
    long offset(Consumer<byte[], byte[]> consumer, TopicPartition partition);
  }

  /** Processes a record. */
  public interface Work {
    /**
     * Processes a record; it is interrupted when the instance loses the partition. A record whose
     * work throws is tried again after a wait, but {@link InvalidInput} and a missing right end the
     * stage, and a record that fails three times in a way that is not {@linkplain
     * FailureCause#isTransient transient} is skipped.
     */
    void accept(ConsumerRecord<byte[], byte[]> record) throws InterruptedException;
  }

  private final String name;
  private final Consumer<byte[], byte[]> consumer;
  private final List<String> topics;
  private final Start start;
  private final Work work;
  private final ExecutorService worker;
  private final Thread thread;
  private final Deque<ConsumerRecord<byte[], byte[]>> pending = new ArrayDeque<>();
  private final Map<TopicPartition, Long> committed = new HashMap<>();
  private final CompletableFuture<Optional<Throwable>> ended = new CompletableFuture<>();
  private volatile boolean closing;
  private Future<?> current;
  private final Backoff backoff = new Backoff(FIRST_WAIT, MAX_WAIT);
  private boolean isDone;
  private int failures;
  private long notBefore;

  /**
   * A follower that is not started.
   *
   * @param consumer in the stage's group; it is closed with the follower
   * @param start where a group without a committed offset begins
   */
  public TopicFollower(
      String name,
      Consumer<byte[], byte[]> consumer,
      List<Topic<?, ?>> topics,
      Start start,
      Work work) {
    this.name = name;
    this.consumer = consumer;
    this.topics = topics.stream().map(Topic::name).toList();
    this.start = start;
    this.work = work;
    worker = Executors.newSingleThreadExecutor(task -> new Thread(task, name + "-worker"));
    thread = new Thread(this::run, name);
  }

  @Override
  public void start() {
    thread.start();
  }

  @Override
  public CompletableFuture<Optional<Throwable>> ended() {
    return ended;
  }

  private void run() {
    Optional<Throwable> cause = Optional.empty();
    try {
      consumer.subscribe(topics, new Rebalances());
      while (!closing) {
        try {
          for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
            pending.add(record);
          }
          step();
        } catch (RetriableException e) {
          LOG.warn("{}: polls again after: {}", name, e.toString());
        }
      }
    } catch (WakeupException e) {
      LOG.debug("{} is closed", name);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      LOG.error("stage {} ends", name, e);
      cause = Optional.of(e);
    } finally {
      worker.shutdownNow();
      consumer.close(CloseOptions.timeout(LEAVE_WITHIN));
      ended.complete(cause);
    }
  }

  private void step() throws InterruptedException {
    if (current != null && current.isDone()) {
      finish();
    }
    if (isDone && commit()) {
      isDone = false;
      pending.remove();
    }
    if (current == null && !isDone && !pending.isEmpty() && System.nanoTime() - notBefore >= 0) {
      ConsumerRecord<byte[], byte[]> record = pending.element();
      current =
          worker.submit(
              () -> {
                work.accept(record);
                return null;
              });
    }
    Set<TopicPartition> assigned = consumer.assignment();
    if (pending.isEmpty()) {
      consumer.resume(assigned);
      commitPositions(assigned);
    } else {
      consumer.pause(assigned);
    }
  }

  /**
   * Commits the consumer's position when there is nothing to do: the last record is followed by the
   * marker of its transaction, which would count as lag for ever.
   */
  private void commitPositions(Set<TopicPartition> assigned) {
    Map<TopicPartition, OffsetAndMetadata> moved = new HashMap<>();
    for (TopicPartition partition : assigned) {
      long position = consumer.position(partition);
      if (committed.getOrDefault(partition, -1L) != position) {
        moved.put(partition, new OffsetAndMetadata(position));
      }
    }
    if (!moved.isEmpty() && commit(moved)) {
      moved.forEach((partition, offset) -> committed.put(partition, offset.offset()));
    }
  }

  private void finish() throws InterruptedException {
    Future<?> finished = current;
    current = null;
    try {
      finished.get();
      handled();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof InvalidInput invalid) {
        throw invalid;
      }
      if (MissingRight.find(e.getCause()).isPresent()) {
        throw new KafkaException(e.getCause());
      }
      if (!FailureCause.isTransient(e.getCause()) && ++failures >= FailedRecords.MAX_FAILURES) {
        ConsumerRecord<byte[], byte[]> record = pending.element();
        LOG.error(
            "{}: {} partition {} offset {} is set aside after {} failures: {}",
            name,
            record.topic(),
            record.partition(),
            record.offset(),
            failures,
            FailureCause.text(e.getCause()),
            e.getCause());
        handled();
        return;
      }
      Duration wait = backoff.next();
      LOG.warn("{}: tries again in {} ms", name, wait.toMillis(), e.getCause());
      notBefore = System.nanoTime() + wait.toNanos();
    }
  }

  private void handled() {
    isDone = true;
    failures = 0;
    backoff.reset();
  }

  /** Commits the offset after the first pending record; false when that has to wait. */
  private boolean commit() {
    ConsumerRecord<byte[], byte[]> record = pending.element();
    return commit(
        Map.of(
            new TopicPartition(record.topic(), record.partition()),
            new OffsetAndMetadata(record.offset() + 1)));
  }

  private boolean commit(Map<TopicPartition, OffsetAndMetadata> to) {
    try {
      consumer.commitSync(to);
      return true;
    } catch (RebalanceInProgressException e) {
      return false; // the next poll ends it
    } catch (CommitFailedException e) {
      LOG.warn("{}: another instance has taken over: {}", name, e.getMessage());
      forget();
      return false;
    }
  }

  private void forget() {
    if (current != null) {
      current.cancel(true);
    }
    current = null;
    isDone = false;
    pending.clear();
    committed.clear();
    failures = 0;
  }

  @Override
  public void close() {
    closing = true;
    if (thread.getState() == Thread.State.NEW) {
      consumer.close();
      worker.shutdownNow();
      ended.complete(Optional.empty());
      return;
    }
    consumer.wakeup();
    worker.shutdownNow();
    try {
      thread.join(CLOSE_WITHIN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private final class Rebalances implements ConsumerRebalanceListener {
    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
      Map<TopicPartition, OffsetAndMetadata> begins = new HashMap<>();
      consumer.committed(Set.copyOf(partitions)).entrySet().stream()
          .filter(offset -> offset.getValue() == null)
          .map(Map.Entry::getKey)
          .forEach(
              partition -> {
                long offset = start.offset(consumer, partition);
                consumer.seek(partition, offset);
                begins.put(partition, new OffsetAndMetadata(offset));
              });
      if (!begins.isEmpty()) {
        LOG.info("{}: it has no committed offset and begins at {}", name, begins);
      }
      // without a committed offset, the next start would skip what arrives while the stage is down
      consumer.commitSync(begins);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
      forget();
    }
  }
}
