package io.fisherstreams.bench;

import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.PoolTopics;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;

/**
 * The payload topics of a pool. A dozen arrivals in one run would leave more in them than fits into
 * the page cache, and log compaction would remove it only after an hour. The kernel would then free
 * pages during a measurement, at the expense of the process that needs them. So records that the
 * merge stage has read are deleted.
 */
final class PayloadTopics {
  private static final long PAUSE_MILLIS = 100;

  private final Admin admin;
  private final List<TopicPartition> partitions;

  /** The payload topics of a pool, whose records may be deleted from now on. */
  PayloadTopics(Admin admin, PoolTopics topics, int partitions) throws Exception {
    this.admin = admin;
    this.partitions =
        Stream.of(topics.checkpointShards(), topics.gradientBatches())
            .flatMap(
                topic ->
                    IntStream.range(0, partitions)
                        .mapToObj(partition -> new TopicPartition(topic.name(), partition)))
            .toList();
    Map<ConfigResource, Collection<AlterConfigOp>> changes = new HashMap<>();
    for (TopicPartition partition : this.partitions) {
      changes.put(
          new ConfigResource(ConfigResource.Type.TOPIC, partition.topic()),
          List.of(
              set(TopicConfig.CLEANUP_POLICY_CONFIG, "compact,delete"),
              set(TopicConfig.RETENTION_MS_CONFIG, "-1")));
    }
    admin.incrementalAlterConfigs(changes).all().get();
  }

  private static AlterConfigOp set(String name, String value) {
    return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
  }

  /** Deletes all present records; call it only when the merge stage has read them. */
  void delete() {
    Offsets.deleteBefore(admin, Offsets.ends(admin, partitions));
  }

  /** Waits until the broker has removed the files of deleted records. */
  void awaitDeleted() throws Exception {
    boolean isDeleted = false;
    while (!isDeleted) {
      Map<TopicPartition, Long> bytes = LogSizes.of(admin);
      // The active segment stays.
      isDeleted =
          partitions.stream()
              .allMatch(partition -> bytes.get(partition) <= EmbeddedBroker.SEGMENT_BYTES);
      if (!isDeleted) {
        Thread.sleep(PAUSE_MILLIS);
      }
    }
  }
}
