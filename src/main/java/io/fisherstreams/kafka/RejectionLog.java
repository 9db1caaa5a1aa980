package io.fisherstreams.kafka;

import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Stage;
import io.micrometer.core.instrument.Counter;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Logs the records that a stage rejects, by kind: the first one of a kind, the tenth, the hundredth
 * and so on. A publisher that does something wrong does it with each record. Every single one is in
 * {@code dead-letters}. Thread-safe.
 */
public final class RejectionLog {
  private static final Logger LOG = LoggerFactory.getLogger(RejectionLog.class);
  private static final int MAX_KINDS = 100;
  private static final int EVERY = 10;

  private final Stage stage;
  private final Map<RejectionKind, Counter> counters = new EnumMap<>(RejectionKind.class);
  private final Map<String, Long> counts =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
          return size() > MAX_KINDS;
        }
      };

  /** The log of one stage of this process. */
  public RejectionLog(Stage stage) {
    this.stage = stage;
    for (RejectionKind kind : RejectionKind.values()) {
      counters.put(kind, Meter.REJECTED_RECORDS.counter(stage.text(), kind.text()));
    }
  }

  /** Counts a rejected record, and logs it when its kind's count has one digit other than 0. */
  public void rejected(String topic, int partition, long offset, Rejection rejection) {
    String reason = rejection.reason();
    counters.get(rejection.kind()).increment();
    long count = count(topic, reason);
    if (count == 1) {
      LOG.warn(
          "stage {} rejects {} partition {} offset {}: {}",
          stage.text(),
          topic,
          partition,
          offset,
          reason);
    } else if (isPower(count)) {
      LOG.warn(
          "stage {} has rejected {} records of this kind, the last is {} partition {} offset {}: {}",
          stage.text(),
          count,
          topic,
          partition,
          offset,
          reason);
    }
  }

  private synchronized long count(String topic, String reason) {
    return counts.merge(topic + " " + kind(reason), 1L, Long::sum);
  }

  /** Reasons of one kind differ in numbers and quoted names. */
  private static String kind(String reason) {
    return String.valueOf(reason).replaceAll("'[^']*'", "''").replaceAll("[0-9.]+", "#");
  }

  private static boolean isPower(long count) {
    long rest = count;
    while (rest % EVERY == 0) {
      rest /= EVERY;
    }
    return rest == 1;
  }
}
