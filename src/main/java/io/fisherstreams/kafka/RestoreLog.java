package io.fisherstreams.kafka;

import io.fisherstreams.metrics.Meter;
import io.micrometer.core.instrument.Counter;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Logs when a stage restores its stores from Kafka and when it has done so. Stores that already
 * have everything are not mentioned. Thread-safe.
 */
final class RestoreLog implements StateRestoreListener {
  private static final Logger LOG = LoggerFactory.getLogger(RestoreLog.class);

  private final String stage;
  private final Counter counter;
  private final Set<TopicPartition> restoring = new HashSet<>();
  private final Map<TopicPartition, Long> remaining = new ConcurrentHashMap<>();
  private long records;

  RestoreLog(String stage) {
    this.stage = stage;
    this.counter = Meter.RESTORED_RECORDS.counter(stage);
    Meter.RESTORE_REMAINING.gauge(
        () -> remaining.values().stream().mapToLong(Long::longValue).sum(), stage);
  }

  @Override
  public void onRestoreStart(TopicPartition changelog, String store, long start, long end) {
    // Kafka Streams calls this for each store, also when there is nothing to restore.
    remaining.put(changelog, Math.max(0, end - start));
  }

  @Override
  public synchronized void onBatchRestored(
      TopicPartition changelog, String store, long endOffset, long restored) {
    if (restored == 0) {
      return;
    }
    remaining.computeIfPresent(changelog, (known, left) -> Math.max(0, left - restored));
    if (restoring.isEmpty()) {
      records = 0;
      LOG.info("stage {}: restoring its state from Kafka", stage);
    }
    counter.increment((double) restored);
    restoring.add(changelog);
    records += restored;
  }

  @Override
  public void onRestoreEnd(TopicPartition changelog, String store, long total) {
    end(changelog);
  }

  @Override
  public void onRestoreSuspended(TopicPartition changelog, String store, long total) {
    end(changelog);
  }

  private synchronized void end(TopicPartition changelog) {
    remaining.remove(changelog);
    if (restoring.remove(changelog) && restoring.isEmpty()) {
      LOG.info("stage {}: its state is restored, {} records", stage, records);
    }
  }
}
