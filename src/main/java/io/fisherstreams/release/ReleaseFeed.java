package io.fisherstreams.release;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Follows topic {@code releases} and skips unreadable records; owns its consumer. */
public final class ReleaseFeed implements AutoCloseable {
  private final Consumer<byte[], byte[]> consumer;
  private final PoolTopics topics;
  private final TopicPartition partition;
  private final SortedMap<Long, Release> releases = new TreeMap<>();

  /** A feed from the topic's beginning. */
  public ReleaseFeed(KafkaSettings kafka, PoolTopics topics) {
    this.topics = topics;
    consumer = kafka.newConsumer();
    partition = new TopicPartition(topics.releases().name(), 0);
    consumer.assign(List.of(partition));
    consumer.seekToBeginning(List.of(partition));
  }

  /** All releases by id, read up to the topic's present end. */
  public SortedMap<Long, Release> upToDate() {
    TopicReader.readToEnd(consumer, List.of(partition), this::accept);
    return Collections.unmodifiableSortedMap(releases);
  }

  /** All releases by id, after waiting up to {@code timeout} for a new one. */
  public SortedMap<Long, Release> poll(Duration timeout) {
    consumer.poll(timeout).forEach(this::accept);
    return Collections.unmodifiableSortedMap(releases);
  }

  private void accept(ConsumerRecord<byte[], byte[]> record) {
    TopicReader.value(topics.releases(), record)
        .ifPresent(release -> releases.put(release.getRelease(), release));
  }

  @Override
  public void close() {
    // does not wait for the fetch that it has begun beyond the end
    consumer.close(CloseOptions.timeout(Duration.ZERO));
  }
}
