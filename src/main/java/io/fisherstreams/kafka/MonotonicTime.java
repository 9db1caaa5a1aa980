package io.fisherstreams.kafka;

import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.utils.Time;

/**
 * The time of Kafka Streams' punctuators, polls and commits: it starts at the wall clock's time and
 * then only moves forward. Kafka's own follows the wall clock. When that is set back, punctuators
 * stop for as long, and with them all plans and merges.
 */
public final class MonotonicTime implements Time {
  private static final long NANOS_PER_MILLI = 1_000_000;

  private final LongSupplier nanos;
  private final long startMillis;
  private final long startNanos;

  /** A time that starts now. */
  public MonotonicTime() {
    this(System::nanoTime, System::currentTimeMillis);
  }

  /**
   * A time that starts now.
   *
   * @param nanos monotonic, since any fixed moment
   * @param wallClock milliseconds since 1970, read once
   */
  MonotonicTime(LongSupplier nanos, LongSupplier wallClock) {
    this.nanos = nanos;
    startMillis = wallClock.getAsLong();
    startNanos = nanos.getAsLong();
  }

  @Override
  public long milliseconds() {
    return startMillis + (nanoseconds() - startNanos) / NANOS_PER_MILLI;
  }

  @Override
  public long nanoseconds() {
    return nanos.getAsLong();
  }

  @Override
  public void sleep(long millis) {
    Time.SYSTEM.sleep(millis);
  }

  @Override
  public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMillis)
      throws InterruptedException {
    synchronized (object) {
      while (!condition.get()) {
        long left = deadlineMillis - milliseconds();
        if (left <= 0) {
          throw new TimeoutException("the condition was not met before the deadline");
        }
        object.wait(left);
      }
    }
  }
}
