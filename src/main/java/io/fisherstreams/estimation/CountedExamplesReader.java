package io.fisherstreams.estimation;

import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Reads from topic {@code counted-examples} which examples of a partition are counted. */
final class CountedExamplesReader {
  private final PoolTopics topics;
  private final Admin admin;
  private final Supplier<Consumer<byte[], byte[]>> consumers;

  /**
   * Gets its consumers (no group, committed records only) from the supplier and closes them.
   *
   * @param admin closed by the caller
   */
  CountedExamplesReader(
      PoolTopics topics, Admin admin, Supplier<Consumer<byte[], byte[]>> consumers) {
    this.topics = topics;
    this.admin = admin;
    this.consumers = consumers;
  }

  /**
   * The runs of counted positions of one partition, by model version. Waits for the end of an open
   * transaction: it belongs to the partition's last owner, which may have committed the offsets
   * from which the next owner continues.
   *
   * @param cancelled asked between reads; when it is true, the result is incomplete
   */
  Map<ModelVersion, List<Long>> read(int partition, BooleanSupplier cancelled) {
    String topic = topics.countedExamples().name();
    TopicPartition where = new TopicPartition(topic, partition);
    Map<ModelVersion, List<Long>> counted = new HashMap<>();
    long end = Offsets.ends(admin, List.of(where)).get(where);
    try (Consumer<byte[], byte[]> consumer = consumers.get()) {
      consumer.assign(List.of(where));
      consumer.seekToBeginning(List.of(where));
      TopicReader.readTo(
          consumer,
          Map.of(where, end),
          cancelled,
          records -> records.forEach(record -> apply(counted, record)));
    }
    return counted;
  }

  private void apply(Map<ModelVersion, List<Long>> counted, ConsumerRecord<byte[], byte[]> record) {
    if (record.key() == null) {
      return;
    }
    if (record.value() == null) {
      String key = new String(record.key(), StandardCharsets.UTF_8);
      counted.keySet().removeIf(version -> version.toString().equals(key));
      return;
    }
    TopicReader.value(topics.countedExamples(), record)
        .ifPresent(
            value ->
                counted.put(
                    new ModelVersion(value.getModel(), value.getVersion()), value.getRuns()));
  }
}
