package io.fisherstreams.coordinator;

import io.fisherstreams.Backoff;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows a pool as an ordinary reader without a consumer group: its models, reports, counted
 * examples, releases, aliases and dead letters. It reads no payload.
 */
public final class PoolFollower implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PoolFollower.class);
  private static final Duration POLL = Duration.ofMillis(200);
  private static final Duration NOTIFY_EVERY = Duration.ofMillis(200);
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(10);
  private static final Duration FIRST_WAIT = Duration.ofMillis(200);
  private static final Duration MAX_WAIT = Duration.ofSeconds(5);

  /** Receives what happens after the pool was read, on the follower's thread. */
  public interface Listener {
    /** Versions that were announced, have made progress, or are in a new release. */
    void changed(List<ModelVersion> versions);

    /** A model that was withdrawn. */
    void withdrawn(String model);

    /** A record of {@code releases} or {@code aliases}. */
    void recorded(ConsumerRecord<byte[], byte[]> record);

    /** A dead letter, without its value. */
    void rejected(DeadLetter letter);
  }

  private final PoolTopics topics;
  private final Listener listener;
  private final LivePool pool;
  private final KafkaSettings kafka;
  private final Map<TopicPartition, Long> positions = new HashMap<>();
  private final CompletableFuture<Void> ready = new CompletableFuture<>();
  private final CompletableFuture<Optional<Throwable>> ended = new CompletableFuture<>();
  private final Thread thread = new Thread(this::run, "pool-follower");
  private volatile boolean closing;
  // first a reader, then a consumer that waits for records; one is woken up while it is open only
  private Consumer<byte[], byte[]> consumer;
  private long notifyAt = System.nanoTime();

  /** A follower that is not started. */
  public PoolFollower(KafkaSettings kafka, PoolTopics topics, Listener listener) {
    this.kafka = kafka;
    this.topics = topics;
    this.listener = listener;
    try (Admin admin = kafka.admin()) {
      pool = new LivePool(topics, new PoolAdmin(admin, topics).check());
    }
    consumer = kafka.newReader();
  }

  /** Reads a pool once and hands it over. */
  public static <T> T read(
      KafkaSettings kafka, PoolTopics topics, Function<PoolReading, T> reader) {
    try (PoolFollower follower = new PoolFollower(kafka, topics, null)) {
      follower.load();
      return follower.read(reader);
    }
  }

  /** Starts to follow. */
  public void start() {
    thread.start();
  }

  /** Completes when the pool was read once. */
  public CompletableFuture<Void> ready() {
    return ready;
  }

  /** Completes when it has ended, with the cause; without one when it was closed. */
  public CompletableFuture<Optional<Throwable>> ended() {
    return ended;
  }

  /** Partitions of the sharded topics. */
  public int partitions() {
    return pool.partitions();
  }

  /** Hands the pool over as it is now; the reading is valid during the call only. */
  public <T> T read(Function<PoolReading, T> reader) {
    return pool.read(reader);
  }

  private void run() {
    Optional<Throwable> cause = Optional.empty();
    try {
      load();
      pool.takeChanged();
      ready.complete(null);
      follow();
    } catch (WakeupException e) {
      LOG.debug("the follower is closed");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      LOG.error("the pool can no longer be followed", e);
      cause = Optional.of(e);
    } finally {
      consumer.close(CloseOptions.timeout(Duration.ZERO));
      ended.complete(cause);
    }
  }

  /** Reports need their manifests, and releases say which manifests are retired: in this order. */
  private void load() {
    readToEnd(of(topics.releases(), 1), pool::release);
    readToEnd(of(topics.models(), 1), pool::model);
    // a compacted topic has older reports too, whose sums would be decoded for nothing
    Map<String, ConsumerRecord<byte[], byte[]>> newest = new LinkedHashMap<>();
    readToEnd(
        of(topics.progress(), 1),
        record -> {
          if (record.key() != null) {
            String key = new String(record.key(), StandardCharsets.UTF_8);
            newest.remove(key);
            newest.put(key, record);
          }
        });
    newest.values().forEach(pool::progress);
    readToEnd(of(topics.countedExamples(), pool.partitions()), pool::counted);
    readToEnd(of(topics.aliases(), 1), pool::alias);
    readDeadLetters();
  }

  private static List<TopicPartition> of(Topic<?, ?> topic, int partitions) {
    return IntStream.range(0, partitions)
        .mapToObj(partition -> new TopicPartition(topic.name(), partition))
        .toList();
  }

  private void readToEnd(
      List<TopicPartition> partitions,
      java.util.function.Consumer<ConsumerRecord<byte[], byte[]>> action) {
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    readOn(partitions, action);
  }

  /** A dead letter may have a megabyte, so only the newest are read. */
  private void readDeadLetters() {
    List<TopicPartition> partitions = of(topics.deadLetters(), 1);
    TopicPartition partition = partitions.get(0);
    consumer.assign(partitions);
    long begin = consumer.beginningOffsets(partitions).get(partition);
    long end = consumer.endOffsets(partitions).get(partition);
    long from = Math.max(begin, end - LivePool.MAX_DEAD_LETTERS);
    if (from > begin) {
      pool.omitEarlierDeadLetters();
    }
    consumer.seek(partition, from);
    readOn(partitions, pool::deadLetter);
  }

  private void readOn(
      List<TopicPartition> partitions,
      java.util.function.Consumer<ConsumerRecord<byte[], byte[]>> action) {
    TopicReader.readToEnd(consumer, partitions, action);
    partitions.forEach(partition -> positions.put(partition, consumer.position(partition)));
  }

  private synchronized void awaitRecords() {
    consumer.close(CloseOptions.timeout(Duration.ZERO));
    consumer = kafka.newFollower(topics.pool() + "-follower");
  }

  private void follow() throws InterruptedException {
    awaitRecords();
    consumer.assign(List.copyOf(positions.keySet()));
    positions.forEach(consumer::seek);
    Backoff backoff = new Backoff(FIRST_WAIT, MAX_WAIT);
    while (!closing) {
      try {
        apply(consumer.poll(POLL));
        backoff.reset();
      } catch (RetriableException e) {
        Duration wait = backoff.next();
        LOG.warn("the pool is read again in {} ms: {}", wait.toMillis(), e.toString());
        Thread.sleep(wait.toMillis());
      }
    }
  }

  private void apply(ConsumerRecords<byte[], byte[]> records) {
    List<Runnable> events = new ArrayList<>();
    // the order of load(), so that a report seldom comes before its manifest
    for (ConsumerRecord<byte[], byte[]> record : records.records(topics.releases().name())) {
      pool.release(record);
      events.add(() -> listener.recorded(record));
    }
    for (ConsumerRecord<byte[], byte[]> record : records.records(topics.models().name())) {
      pool.model(record).ifPresent(model -> events.add(() -> listener.withdrawn(model)));
    }
    records.records(topics.progress().name()).forEach(pool::progress);
    records.records(topics.countedExamples().name()).forEach(pool::counted);
    for (ConsumerRecord<byte[], byte[]> record : records.records(topics.aliases().name())) {
      pool.alias(record);
      events.add(() -> listener.recorded(record));
    }
    for (ConsumerRecord<byte[], byte[]> record : records.records(topics.deadLetters().name())) {
      DeadLetter letter = pool.deadLetter(record);
      events.add(() -> listener.rejected(letter));
    }
    events.forEach(Runnable::run);
    if (System.nanoTime() - notifyAt >= 0) {
      List<ModelVersion> changed = pool.takeChanged();
      if (!changed.isEmpty()) {
        listener.changed(changed);
        notifyAt = System.nanoTime() + NOTIFY_EVERY.toNanos();
      }
    }
  }

  @Override
  public void close() {
    closing = true;
    if (thread.getState() == Thread.State.NEW) {
      consumer.close(CloseOptions.timeout(Duration.ZERO));
      ended.complete(Optional.empty());
      return;
    }
    synchronized (this) {
      consumer.wakeup();
    }
    try {
      thread.join(CLOSE_WITHIN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
