package io.fisherstreams.kafka;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notices that the wall clock was set back. Kafka's consumers wait by it: a poll of 10 ms that is
 * under way at that moment lasts until the clock is where it was, two minutes or a day.
 */
final class ClockWatch {
  private static final Logger LOG = LoggerFactory.getLogger(ClockWatch.class);
  private static final Duration INTERVAL = Duration.ofMillis(500);

  /** Clocks that are kept right move in smaller steps, and nobody notices such a wait. */
  private static final long MIN_STEP_MILLIS = 250;

  private static final long NANOS_PER_MILLI = 1_000_000;

  private final LongSupplier nanos;
  private final LongSupplier wallClock;
  private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
  private boolean mustStart;
  private long leastAhead = Long.MIN_VALUE / 2;

  /** A watch of this machine's clock, from its first listener on. */
  ClockWatch() {
    this(System::nanoTime, System::currentTimeMillis);
    mustStart = true;
  }

  /**
   * A watch that looks at the clocks when {@link #check} is called.
   *
   * @param nanos monotonic, since any fixed moment
   * @param wallClock milliseconds since 1970
   */
  ClockWatch(LongSupplier nanos, LongSupplier wallClock) {
    this.nanos = nanos;
    this.wallClock = wallClock;
    check();
  }

  private long millis() {
    return nanos.getAsLong() / NANOS_PER_MILLI;
  }

  /** Calls the listener after each step back, on the watch's thread. */
  synchronized void add(Runnable listener) {
    listeners.add(listener);
    if (mustStart) {
      mustStart = false;
      Thread thread = new Thread(this::watch, "clock-watch");
      thread.setDaemon(true);
      thread.start();
    }
  }

  void remove(Runnable listener) {
    listeners.remove(listener);
  }

  private void watch() {
    try {
      while (true) {
        Thread.sleep(INTERVAL.toMillis());
        check();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Compares the clocks. They cannot be read at once, and a busy machine may stop this thread in
   * between: only a step that explains more than that is one.
   */
  synchronized void check() {
    long before = millis();
    long now = wallClock.getAsLong();
    long after = millis();
    long back = leastAhead - (now - before);
    leastAhead = now - after;
    if (back >= MIN_STEP_MILLIS) {
      LOG.warn("the machine's clock was set back by {} ms", back);
      listeners.forEach(Runnable::run);
    }
  }
}
