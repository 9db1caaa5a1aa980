package io.fisherstreams;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * How long to wait between attempts: the bound doubles from {@code first} to {@code max}, and each
 * wait is drawn evenly from the upper half of its bound, so that instances that failed together do
 * not try again together. Not thread-safe.
 */
public final class Backoff {
  private final Duration first;
  private final Duration max;
  private final RandomGenerator random;
  private Duration bound;

  /**
   * A backoff that has not waited yet.
   *
   * @param first bound of the first wait, at least a millisecond
   * @param max bound of every wait, at least {@code first}
   */
  public Backoff(Duration first, Duration max) {
    this(first, max, RandomGenerator.getDefault());
  }

  /** A backoff with the caller's random numbers. */
  public Backoff(Duration first, Duration max, RandomGenerator random) {
    if (first.toMillis() < 1 || max.compareTo(first) < 0) {
      throw new IllegalArgumentException("first is " + first + ", max is " + max);
    }
    this.first = first;
    this.max = max;
    this.random = random;
    this.bound = first;
  }

  /** The next wait; doubles the bound of the one after it. */
  public Duration next() {
    long nanos = bound.toNanos();
    Duration wait = Duration.ofNanos(nanos - random.nextLong(nanos / 2));
    Duration doubled = bound.multipliedBy(2);
    bound = doubled.compareTo(max) < 0 ? doubled : max;
    return wait;
  }

  /** Begins again with the first wait: an attempt has succeeded. */
  public void reset() {
    bound = first;
  }
}
