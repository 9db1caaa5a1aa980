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
  private boolean started;
  private long ahead;

  /** A watch of this machine's clock. */
  ClockWatch() {
    this(System::nanoTime, System::currentTimeMillis);
  }

  /**
   * A watch that begins to watch with its first listener.
   *
   * @param nanos monotonic, since any fixed moment
   * @param wallClock milliseconds since 1970
   */
  ClockWatch(LongSupplier nanos, LongSupplier wallClock) {
    this.nanos = nanos;
    this.wallClock = wallClock;
    ahead = ahead();
  }

  private long ahead() {
    return wallClock.getAsLong() - nanos.getAsLong() / NANOS_PER_MILLI;
  }

  /** Calls the listener after each step back, on the watch's thread. */
  synchronized void add(Runnable listener) {
    listeners.add(listener);
    if (!started) {
      started = true;
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

  /** Compares the clocks. */
  synchronized void check() {
    long before = ahead;
    ahead = ahead();
    if (before - ahead >= MIN_STEP_MILLIS) {
      LOG.warn("the machine's clock was set back by {} ms", before - ahead);
      listeners.forEach(Runnable::run);
    }
  }
}
