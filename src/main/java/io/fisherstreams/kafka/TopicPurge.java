package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.TopicSlice;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/**
 * Finds what compacted topics of a pool and its stages' changelogs still have of versions that the
 * pool has no more, aborted transactions included, and has the brokers remove it now instead of
 * some day. The newest records of these keys are tombstones already, except for leftovers that no
 * stage knows: they get one.
 */
public final class TopicPurge {
  private static final Duration PAUSE = Duration.ofMillis(500);
  private static final Duration ROLL_AGAIN = Duration.ofSeconds(10);
  private static final Duration POLL = Duration.ofSeconds(1);

  // No model, shard or report has this key. A record must follow before Kafka closes a segment.
  private static final byte[] NO_KEY = "@purge".getBytes(StandardCharsets.UTF_8);

  /**
   * What a topic has of versions that the pool has no more.
   *
   * @param records number of records with a value
   * @param bytes of their keys and values
   */
  public record Remains(long records, long bytes) {}

  private final KafkaSettings kafka;
  private final Admin admin;
  private final PoolTopics topics;
  private final Map<String, Map<String, String>> searched = new TreeMap<>();
  private final Map<TopicPartition, Deque<Long>> dead = new HashMap<>();
  private final Map<TopicPartition, Set<String>> leftovers = new HashMap<>();
  private final Set<String> versions = new TreeSet<>();
  private LiveVersions live;

  /** Finds nothing yet. The client stays the caller's. */
  public TopicPurge(KafkaSettings kafka, Admin admin, PoolTopics topics) {
    this.kafka = kafka;
    this.admin = admin;
    this.topics = topics;
    for (Topic<?, ?> topic :
        List.of(
            topics.models(),
            topics.checkpointShards(),
            topics.gradientBatches(),
            topics.progress())) {
      searched.put(topic.name(), topic.config());
    }
    new PoolAdmin(admin, topics).changelogs().forEach(name -> searched.put(name, Map.of()));
  }

  /**
   * Waits until the merge stage has removed what was withdrawn, and reads the topics to their ends.
   *
   * @return by topic, all that are searched: what is left of versions that the pool has no more
   * @throws InvalidInput when the stage has not removed them within the time
   */
  public Map<String, Remains> search(Duration timeout) {
    Map<String, Remains> found = new TreeMap<>();
    try (Consumer<byte[], byte[]> consumer = kafka.newDefaultConsumer()) {
      List<TopicPartition> partitions = partitions(consumer);
      // A shard before these ends has a manifest: it is announced first.
      Map<TopicPartition, Long> ends = Offsets.ends(admin, partitions);
      live = awaitRetired(timeout);
      searched.keySet().forEach(topic -> found.put(topic, new Remains(0, 0)));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      TopicReader.readTo(
          consumer,
          ends,
          () -> false,
          records ->
              records.forEach(
                  record -> {
                    TopicPartition partition =
                        new TopicPartition(record.topic(), record.partition());
                    if (record.offset() < ends.get(partition)) {
                      look(partition, record, found);
                    }
                  }));
    }
    return found;
  }

  private List<TopicPartition> partitions(Consumer<?, ?> consumer) {
    return searched.keySet().stream()
        .flatMap(topic -> consumer.partitionsFor(topic).stream())
        .map(info -> new TopicPartition(info.topic(), info.partition()))
        .toList();
  }

  private LiveVersions awaitRetired(Duration timeout) {
    long end = System.nanoTime() + timeout.toNanos();
    while (true) {
      LiveVersions now = LiveVersions.read(kafka, topics);
      if (now.retiring().isEmpty()) {
        return now;
      }
      if (System.nanoTime() - end >= 0) {
        throw new InvalidInput(
            String.join(", ", now.retiring())
                + ": withdrawn, but the merge stage has not removed it; are the stages running? (fisher-streams status)");
      }
      pause();
    }
  }

  private void look(
      TopicPartition partition, ConsumerRecord<byte[], byte[]> record, Map<String, Remains> found) {
    if (record.key() != null && record.value() == null && leftovers.containsKey(partition)) {
      leftovers.get(partition).remove(new String(record.key(), StandardCharsets.UTF_8));
    }
    live.deadVersion(topics, record)
        .ifPresent(
            version -> {
              versions.add(version);
              dead.computeIfAbsent(partition, p -> new ArrayDeque<>()).add(record.offset());
              leftovers
                  .computeIfAbsent(partition, p -> new HashSet<>())
                  .add(new String(record.key(), StandardCharsets.UTF_8));
              long bytes = (long) record.key().length + record.value().length;
              found.merge(
                  record.topic(),
                  new Remains(1, bytes),
                  (a, b) -> new Remains(a.records + b.records, a.bytes + b.bytes));
            });
  }

  /** The versions of which {@link #search} found something, {@code model@version}. */
  public Set<String> versions() {
    return versions;
  }

  /**
   * The releases whose tensors are still kept and that merged a version of a model which the pool
   * has no more, with the versions; after {@link #search}.
   */
  public Map<Long, Set<String>> releases() {
    Map<Long, Release> complete = new TreeMap<>();
    TopicReader.readAll(
        kafka,
        topics.releases(),
        (key, release) -> {
          if (release != null && !release.getSlices().isEmpty()) {
            complete.put(release.getRelease(), release);
          }
        });
    Map<Long, Set<String>> found = new TreeMap<>();
    complete.forEach(
        (id, release) -> {
          Set<String> gone = new TreeSet<>();
          release
              .getPlan()
              .getModels()
              .forEach(model -> addDead(gone, model.getModel(), model.getVersion()));
          addDead(gone, release.getPlan().getBaseModel(), release.getPlan().getBaseVersion());
          if (!gone.isEmpty() && isKept(release)) {
            found.put(id, gone);
          }
        });
    return found;
  }

  private void addDead(Set<String> gone, String model, long version) {
    String id = new ModelVersion(model, version).toString();
    if (!live.versions().contains(id)) {
      gone.add(id);
    }
  }

  private boolean isKept(Release release) {
    Map<TopicPartition, Long> firsts = new HashMap<>();
    for (TopicSlice slice : release.getSlices()) {
      firsts.put(
          new TopicPartition(topics.mergedTensors().name(), slice.getPartition()),
          slice.getFirstOffset());
    }
    Map<TopicPartition, Long> beginnings = Offsets.beginnings(admin, firsts.keySet());
    return firsts.entrySet().stream()
        .allMatch(first -> beginnings.get(first.getKey()) <= first.getValue());
  }

  /**
   * Has the brokers compact the topics until nothing is left of what {@link #search} found. The
   * topics' settings are the same as before afterwards.
   *
   * @return by topic: how many of the records are left after the time; empty when none is
   */
  @SuppressWarnings("try") // the settings are only held
  public Map<String, Long> purge(Duration timeout) {
    Map<String, Map<String, String>> forced = new HashMap<>();
    dead.keySet().forEach(p -> forced.put(p.topic(), searched.get(p.topic())));
    long end = System.nanoTime() + timeout.toNanos();
    try (Producer<byte[], byte[]> producer = kafka.newProducer();
        Consumer<byte[], byte[]> consumer = kafka.newDefaultConsumer();
        ForcedCompaction compaction = new ForcedCompaction(admin, forced)) {
      retireLeftovers(producer);
      long rolled = System.nanoTime() - ROLL_AGAIN.toNanos();
      while (!dead.isEmpty() && System.nanoTime() - end < 0) {
        if (System.nanoTime() - rolled >= ROLL_AGAIN.toNanos()) {
          rolled = System.nanoTime();
          send(producer, dead.keySet().stream().map(p -> tombstone(p, NO_KEY)).toList());
        }
        for (TopicPartition partition : List.copyOf(dead.keySet())) {
          if (isClean(consumer, partition)) {
            dead.remove(partition);
          }
        }
        pause();
      }
    }
    Map<String, Long> left = new TreeMap<>();
    dead.forEach(
        (partition, offsets) -> left.merge(partition.topic(), (long) offsets.size(), Long::sum));
    return left;
  }

  private static ProducerRecord<byte[], byte[]> tombstone(TopicPartition partition, byte[] key) {
    return new ProducerRecord<>(partition.topic(), partition.partition(), key, null);
  }

  /** The merge stage sends an accepted payload again, should its key be among them. */
  private void retireLeftovers(Producer<byte[], byte[]> producer) {
    Set<String> payload = Set.of(topics.checkpointShards().name(), topics.gradientBatches().name());
    List<ProducerRecord<byte[], byte[]>> tombstones = new ArrayList<>();
    leftovers.forEach(
        (partition, keys) -> {
          if (payload.contains(partition.topic())) {
            keys.forEach(
                key -> tombstones.add(tombstone(partition, key.getBytes(StandardCharsets.UTF_8))));
          }
        });
    send(producer, tombstones);
  }

  private static void send(
      Producer<byte[], byte[]> producer, Collection<ProducerRecord<byte[], byte[]>> records) {
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    records.forEach(record -> sent.add(producer.send(record)));
    producer.flush();
    try {
      for (Future<RecordMetadata> record : sent) {
        record.get();
      }
    } catch (ExecutionException e) {
      throw new InvalidInput(
          "the brokers reject a tombstone: " + e.getCause().getMessage(), e.getCause());
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  /** Whether a partition has none of its dead records any more; forgets those that are gone. */
  private boolean isClean(Consumer<byte[], byte[]> consumer, TopicPartition partition) {
    Deque<Long> offsets = dead.get(partition);
    consumer.assign(List.of(partition));
    while (!offsets.isEmpty()) {
      consumer.seek(partition, offsets.peek());
      List<ConsumerRecord<byte[], byte[]>> next = consumer.poll(POLL).records(partition);
      if (next.isEmpty()) {
        return false; // not known; asked again
      }
      long first = next.get(0).offset();
      if (first == offsets.peek()) {
        return false;
      }
      while (!offsets.isEmpty() && offsets.peek() < first) {
        offsets.remove();
      }
    }
    return true;
  }

  private static void pause() {
    try {
      Thread.sleep(PAUSE.toMillis());
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static KafkaException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new KafkaException("interrupted", e);
  }
}
