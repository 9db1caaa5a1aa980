package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * Counts the failures that ended a stage's threads, to tell a temporary failure from one that a new
 * thread does not fix. Thread-safe.
 */
public final class FailureBudget {
  private static final int MAX_FAILURES = 20;
  private static final Duration COUNT_FOR = Duration.ofMinutes(5);

  private final Object stateDirectory;
  private final Deque<Long> recent = new ArrayDeque<>();

  /**
   * A budget without failures.
   *
   * @param stateDirectory the stage's state directory, for messages
   */
  public FailureBudget(Object stateDirectory) {
    this.stateDirectory = stateDirectory;
  }

  /**
   * Counts a failure.
   *
   * @return the cause that ends the stage: a full disk, a mistake of the user, an {@link Error}, or
   *     any cause after {@value #MAX_FAILURES} failures within five minutes; empty when a new
   *     thread may succeed
   */
  public synchronized Optional<Throwable> fatal(Throwable failure) {
    long now = System.nanoTime();
    recent.addLast(now);
    while (now - recent.peekFirst() > COUNT_FOR.toNanos()) {
      recent.removeFirst();
    }
    Throwable cause = cause(failure);
    return cause instanceof InvalidInput || failure instanceof Error || recent.size() > MAX_FAILURES
        ? Optional.of(cause)
        : Optional.empty();
  }

  /** The user's mistake behind a failure, else its root cause. */
  public Throwable cause(Throwable failure) {
    Throwable cause = failure;
    while (cause.getCause() != null && !(cause instanceof InvalidInput)) {
      cause = cause.getCause();
    }
    // another instance, with disk space, can take over its partitions
    return isDiskFull(failure)
        ? new InvalidInput("there is no space left under " + stateDirectory, cause)
        : cause;
  }

  private static boolean isDiskFull(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (String.valueOf(cause.getMessage()).contains("No space left on device")) {
        return true;
      }
    }
    return false;
  }
}
