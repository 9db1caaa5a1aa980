package io.fisherstreams.coordinator;

import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ends of {@code merged-tensors} on a real cluster, open transactions included. The last stable
 * offset would not do: the transaction of an instance that was killed holds it back for up to a
 * minute while its successor completes the release behind it.
 */
final class TopicMergedTensorLog implements MergedTensorLog, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TopicMergedTensorLog.class);

  private final Admin admin;
  private final Map<TopicPartition, OffsetSpec> latest = new LinkedHashMap<>();

  TopicMergedTensorLog(KafkaSettings kafka, PoolTopics topics, int partitions) {
    admin = kafka.admin();
    for (int partition = 0; partition < partitions; partition++) {
      latest.put(new TopicPartition(topics.mergedTensors().name(), partition), OffsetSpec.latest());
    }
  }

  @Override
  public List<Long> endOffsets() {
    try {
      Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> ends =
          admin.listOffsets(latest).all().get();
      return latest.keySet().stream().map(partition -> ends.get(partition).offset()).toList();
    } catch (ExecutionException e) {
      throw new KafkaException("cannot read the ends of the merged tensors", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted", e);
    }
  }

  @Override
  public void deleteBefore(List<Long> offsets) {
    Map<TopicPartition, RecordsToDelete> doomed = new LinkedHashMap<>();
    for (TopicPartition partition : latest.keySet()) {
      doomed.put(partition, RecordsToDelete.beforeOffset(offsets.get(partition.partition())));
    }
    // Nobody waits for it: what is not dropped now is dropped after the next release.
    admin
        .deleteRecords(doomed)
        .all()
        .whenComplete(
            (done, error) -> {
              if (error != null) {
                LOG.warn("old releases' tensors stay in their topic", error);
              }
            });
  }

  @Override
  public void close() {
    admin.close();
  }
}
