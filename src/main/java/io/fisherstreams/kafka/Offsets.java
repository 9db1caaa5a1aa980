package io.fisherstreams.kafka;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where partitions begin and end, and cutting their fronts. */
public final class Offsets {
  private static final Logger LOG = LoggerFactory.getLogger(Offsets.class);

  private Offsets() {}

  /** The ends of partitions, open transactions included. */
  public static Map<TopicPartition, Long> ends(Admin admin, Collection<TopicPartition> partitions) {
    return list(admin, partitions, OffsetSpec.latest(), "ends");
  }

  /** The first offsets that partitions still have. */
  public static Map<TopicPartition, Long> beginnings(
      Admin admin, Collection<TopicPartition> partitions) {
    return list(admin, partitions, OffsetSpec.earliest(), "beginnings");
  }

  private static Map<TopicPartition, Long> list(
      Admin admin, Collection<TopicPartition> partitions, OffsetSpec which, String what) {
    Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
    partitions.forEach(partition -> asked.put(partition, which));
    try {
      Map<TopicPartition, Long> offsets = new HashMap<>();
      admin
          .listOffsets(asked)
          .all()
          .get()
          .forEach((partition, found) -> offsets.put(partition, found.offset()));
      return offsets;
    } catch (ExecutionException e) {
      throw new KafkaException("cannot read the " + what + " of " + partitions, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted", e);
    }
  }

  /**
   * Deletes the records before these offsets. Nobody waits for it: what stays now goes next time.
   */
  @SuppressWarnings("FutureReturnValueIgnored") // the callback logs the failure
  public static void deleteBefore(Admin admin, Map<TopicPartition, Long> offsets) {
    Map<TopicPartition, RecordsToDelete> doomed = new HashMap<>();
    offsets.forEach((partition, at) -> doomed.put(partition, RecordsToDelete.beforeOffset(at)));
    admin
        .deleteRecords(doomed)
        .all()
        .whenComplete(
            (done, error) -> {
              if (error != null) {
                LOG.warn("records that are done with stay in {}", offsets.keySet(), error);
              }
            });
  }
}
