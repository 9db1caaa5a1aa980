package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
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
   * @return the cause that ends the stage: a full disk, a missing right, a mistake of the user, an
   *     {@link Error} somewhere among the causes, or any cause after {@value #MAX_FAILURES}
   *     failures within five minutes; empty when a new thread may succeed
   */
  public synchronized Optional<Throwable> fatal(Throwable failure) {
    long now = System.nanoTime();
    recent.addLast(now);
    while (now - recent.peekFirst() > COUNT_FOR.toNanos()) {
      recent.removeFirst();
    }
    Throwable cause = cause(failure);
    return cause instanceof InvalidInput || hasError(failure) || recent.size() > MAX_FAILURES
        ? Optional.of(cause)
        : Optional.empty();
  }

  /**
   * Whether the failure is an {@link Error} or was caused by one; but what overflows a stack is a
   * record, and another record does not.
   */
  static boolean hasError(Throwable failure) {
    return failure instanceof Error
        || FailureCause.chain(failure).stream()
            .anyMatch(cause -> cause instanceof Error && !(cause instanceof StackOverflowError));
  }

  /** The user's mistake behind a failure, else its root cause. */
  public Throwable cause(Throwable failure) {
    List<Throwable> chain = FailureCause.chain(failure);
    Throwable cause =
        chain.stream()
            .filter(InvalidInput.class::isInstance)
            .findFirst()
            .orElse(chain.get(chain.size() - 1));
    // another instance, with disk space, can take over its partitions
    if (isDiskFull(failure)) {
      return new InvalidInput("there is no space left under " + stateDirectory, cause);
    }
    return MissingRight.text(failure)
        .<Throwable>map(missing -> new InvalidInput(missing, failure))
        .orElse(cause);
  }

  private static boolean isDiskFull(Throwable failure) {
    return FailureCause.chain(failure).stream()
        .anyMatch(cause -> String.valueOf(cause.getMessage()).contains("No space left on device"));
  }
}
