package io.fisherstreams.bench;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * CPU seconds of the threads that began with the page: a figure that other work on the machine and
 * in the process blurs less than a difference between two arrivals does.
 */
final class PageThreads {
  /** Name of the threads that play the page's readers; they do not count. */
  static final String VISITOR = "visitor";

  private static final double NANOS = Duration.ofSeconds(1).toNanos();

  private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();
  private Set<Long> before = Set.of();
  private long start;
  private double seconds;

  /** The page is about to begin. */
  void begin() {
    before = Arrays.stream(threads.getAllThreadIds()).boxed().collect(Collectors.toSet());
  }

  /** A model is about to arrive. */
  void arrives() {
    start = nanos();
  }

  /** It has arrived. */
  void end() {
    seconds = (nanos() - start) / NANOS;
  }

  /** CPU seconds of the last arrival. */
  double seconds() {
    return seconds;
  }

  private long nanos() {
    long sum = 0;
    for (long id : threads.getAllThreadIds()) {
      ThreadInfo info = before.contains(id) ? null : threads.getThreadInfo(id);
      if (info != null && !info.getThreadName().equals(VISITOR)) {
        sum += Math.max(0, threads.getThreadCpuTime(id));
      }
    }
    return sum;
  }
}
