package io.fisherstreams.kafka;

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
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A stage that does something with every record of small topics, at least once, one after another
 * and in the order of each partition. Its place is its consumer group's committed offset; of
 * several instances one works, the others are spares. A record may take as long as it needs: the
 * consumer goes on polling meanwhile.
 */
public final class TopicFollower implements StageInstance {
  private static final Logger LOG = LoggerFactory.getLogger(TopicFollower.class);
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration TRY_AGAIN_AFTER = Duration.ofSeconds(5);
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(30);

  /** What is done with a record. */
  public interface Work {
    /**
     * Deals with a record; on an instance that loses its partition meanwhile it is interrupted. A
     * record whose work throws is tried again a little later, but {@link InvalidInput} ends the
     * stage.
     */
    void accept(ConsumerRecord<byte[], byte[]> record) throws InterruptedException;
  }

  private final String name;
  private final Consumer<byte[], byte[]> consumer;
  private final List<String> topics;
  private final boolean fromNow;
  private final Work work;
  private final ExecutorService worker;
  private final Thread thread;
  private final Deque<ConsumerRecord<byte[], byte[]>> pending = new ArrayDeque<>();
  private final Map<TopicPartition, Long> places = new HashMap<>();
  private final CompletableFuture<Optional<Throwable>> ended = new CompletableFuture<>();
  private volatile boolean closing;
  private Future<?> current;
  private boolean isDone;
  private long notBefore;

  /**
   * A follower that is not started.
   *
   * @param consumer in the stage's group; it is closed with the follower
   * @param fromNow whether a group without a place begins at the topics' present end, not at their
   *     beginning
   */
  public TopicFollower(
      String name,
      Consumer<byte[], byte[]> consumer,
      List<Topic<?, ?>> topics,
      boolean fromNow,
      Work work) {
    this.name = name;
    this.consumer = consumer;
    this.topics = topics.stream().map(Topic::name).toList();
    this.fromNow = fromNow;
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
          LOG.warn("{}: tried again: {}", name, e.toString());
        }
      }
    } catch (WakeupException e) {
      LOG.debug("{} is closed", name);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      LOG.error("stage {} ends", name, e);
      cause = Optional.of(e);
    } finally {
      worker.shutdownNow();
      consumer.close();
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
      commitPlaces(assigned);
    } else {
      consumer.pause(assigned);
    }
  }

  /**
   * Commits where the consumer is when there is nothing to do: behind the last record lies its
   * transaction's end, which would count as lag for ever.
   */
  private void commitPlaces(Set<TopicPartition> assigned) {
    Map<TopicPartition, OffsetAndMetadata> moved = new HashMap<>();
    for (TopicPartition partition : assigned) {
      long place = consumer.position(partition);
      if (places.getOrDefault(partition, -1L) != place) {
        moved.put(partition, new OffsetAndMetadata(place));
      }
    }
    if (!moved.isEmpty() && commit(moved)) {
      moved.forEach((partition, place) -> places.put(partition, place.offset()));
    }
  }

  private void finish() throws InterruptedException {
    Future<?> finished = current;
    current = null;
    try {
      finished.get();
      isDone = true;
    } catch (ExecutionException e) {
      if (e.getCause() instanceof InvalidInput invalid) {
        throw invalid;
      }
      LOG.warn("{}: tried again in {} s", name, TRY_AGAIN_AFTER.toSeconds(), e.getCause());
      notBefore = System.nanoTime() + TRY_AGAIN_AFTER.toNanos();
    }
  }

  /** Commits the place after the first pending record; false when that has to wait. */
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
      LOG.warn("{}: another instance goes on: {}", name, e.getMessage());
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
    places.clear();
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
      if (!fromNow) {
        return;
      }
      Map<TopicPartition, OffsetAndMetadata> ends = new HashMap<>();
      consumer.committed(Set.copyOf(partitions)).entrySet().stream()
          .filter(place -> place.getValue() == null)
          .map(Map.Entry::getKey)
          .forEach(
              partition -> {
                consumer.seekToEnd(List.of(partition));
                ends.put(partition, new OffsetAndMetadata(consumer.position(partition)));
              });
      if (!ends.isEmpty()) {
        LOG.info("{}: it has no place in {} and begins with what comes now", name, ends.keySet());
      }
      // a place of its own, or what comes while it is down would be passed over at the next start
      consumer.commitSync(ends);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
      forget();
    }
  }
}
