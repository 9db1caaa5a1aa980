package io.fisherstreams.estimation;

import io.fisherstreams.record.ModelVersion;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/**
 * When examples last arrived, which says whether more are expected soon. Pure: each caller passes
 * the time, in nanoseconds of {@link System#nanoTime}.
 */
final class ArrivalTimes {
  private static final Duration MAX_QUIET = Duration.ofSeconds(1);

  private final Duration linger;
  private final Map<ModelVersion, Long> lastExample = new HashMap<>();
  private long lastRecord;

  /**
   * Nothing has arrived.
   *
   * @param linger how long after an example another one of its version is expected
   */
  ArrivalTimes(Duration linger) {
    this.linger = linger;
  }

  /** A record has arrived, whatever it is. */
  void record(long now) {
    lastRecord = now;
  }

  /** An example of a version has arrived. */
  void example(ModelVersion version, long now) {
    lastExample.put(version, now);
  }

  /** Whether no more examples of a version are expected soon. */
  boolean isIdle(ModelVersion version, long now) {
    Long last = lastExample.get(version);
    return last == null || now - last >= linger.toNanos();
  }

  /** Whether no record has arrived for the linger time, or for a second if that is shorter. */
  boolean isQuiet(long now) {
    return now - lastRecord >= Math.min(MAX_QUIET.toNanos(), linger.toNanos());
  }

  /** Forgets all other versions. */
  void retain(Collection<ModelVersion> versions) {
    lastExample.keySet().retainAll(versions);
  }
}
