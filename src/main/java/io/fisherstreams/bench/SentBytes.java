package io.fisherstreams.bench;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A producer that counts the bytes of keys and values and sends nothing. The bytes of a model's
 * records follow from their format, so they need no broker.
 */
final class SentBytes extends MockProducer<byte[], byte[]> {
  private final Map<String, Long> byTopic = new TreeMap<>();
  private final int partitions;

  SentBytes(int partitions) {
    super(true, null, new ByteArraySerializer(), new ByteArraySerializer());
    this.partitions = partitions;
  }

  /** Bytes of keys and values so far, by topic. */
  Map<String, Long> byTopic() {
    return Collections.unmodifiableMap(byTopic);
  }

  /** Bytes of all topics. */
  long total() {
    return byTopic.values().stream().mapToLong(Long::longValue).sum();
  }

  @Override
  public List<PartitionInfo> partitionsFor(String topic) {
    return Collections.nCopies(partitions, new PartitionInfo(topic, 0, null, null, null));
  }

  @Override
  public synchronized Future<RecordMetadata> send(
      ProducerRecord<byte[], byte[]> sent, Callback callback) {
    byTopic.merge(sent.topic(), (long) sent.key().length + sent.value().length, Long::sum);
    return CompletableFuture.completedFuture(null);
  }
}
