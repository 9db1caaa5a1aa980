package io.fisherstreams.api;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * Ends writes to clients that take nothing: otherwise a few of them would hold every thread. An
 * interrupt closes the channel that a thread writes to.
 */
final class StalledWrites {
  private final ScheduledExecutorService timer;
  private final Duration longest;

  /** A write. */
  interface Write {
    void run() throws IOException;
  }

  /**
   * Uses a timer that stays the caller's.
   *
   * @param longest time of one write
   */
  StalledWrites(ScheduledExecutorService timer, Duration longest) {
    this.timer = timer;
    this.longest = longest;
  }

  void run(Write write) throws IOException {
    Thread thread = Thread.currentThread();
    ScheduledFuture<?> end =
        timer.schedule(thread::interrupt, longest.toMillis(), TimeUnit.MILLISECONDS);
    try {
      write.run();
    } finally {
      end.cancel(false);
    }
  }
}
