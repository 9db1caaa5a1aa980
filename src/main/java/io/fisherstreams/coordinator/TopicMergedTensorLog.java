package io.fisherstreams.coordinator;

import io.fisherstreams.record.PoolTopics;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The topic on clients that it owns and closes. Used by one thread at a time. */
final class TopicMergedTensorLog implements MergedTensorLog, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TopicMergedTensorLog.class);

  private final Consumer<byte[], byte[]> consumer;
  private final Admin admin;
  private final List<TopicPartition> partitions = new ArrayList<>();

  TopicMergedTensorLog(
      PoolTopics topics, int partitions, Consumer<byte[], byte[]> consumer, Admin admin) {
    this.consumer = consumer;
    this.admin = admin;
    for (int p = 0; p < partitions; p++) {
      this.partitions.add(new TopicPartition(topics.mergedTensors().name(), p));
    }
    consumer.assign(this.partitions);
  }

  @Override
  public List<Long> endOffsets() {
    Map<TopicPartition, Long> offsets = consumer.endOffsets(partitions);
    return partitions.stream().map(offsets::get).toList();
  }

  @Override
  public void deleteBefore(List<Long> offsets) {
    Map<TopicPartition, RecordsToDelete> doomed = new HashMap<>();
    for (int p = 0; p < partitions.size(); p++) {
      doomed.put(partitions.get(p), RecordsToDelete.beforeOffset(offsets.get(p)));
    }
    // Nobody waits for it: what is not dropped now is dropped after the next release.
    admin
        .deleteRecords(doomed)
        .all()
        .whenComplete(
            (done, error) -> {
              if (error != null) {
                LOG.warn("old releases stay in {}", partitions.get(0).topic(), error);
              }
            });
  }

  @Override
  public void close() {
    consumer.close();
    admin.close();
  }
}
