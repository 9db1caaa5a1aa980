package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * What the threads of a stage died of, to tell a fault that passes from one that trying again does
 * not mend. Thread-safe.
 */
public final class FailureBudget {
  private static final int MAX_DEATHS = 20;
  private static final Duration COUNT_FOR = Duration.ofMinutes(5);

  private final Object stateDirectory;
  private final Deque<Long> recent = new ArrayDeque<>();

  /**
   * No deaths yet.
   *
   * @param stateDirectory the stage's, for messages
   */
  public FailureBudget(Object stateDirectory) {
    this.stateDirectory = stateDirectory;
  }

  /**
   * Counts a death.
   *
   * @return what ends the stage, when a new thread would do no better: a full disk, a mistake of
   *     the user's, an {@link Error}, or whatever it was after {@value #MAX_DEATHS} deaths in a
   *     short time
   */
  public synchronized Optional<Throwable> fatal(Throwable death) {
    long now = System.nanoTime();
    recent.addLast(now);
    while (now - recent.peekFirst() > COUNT_FOR.toNanos()) {
      recent.removeFirst();
    }
    Throwable cause = cause(death);
    return cause instanceof InvalidInput || death instanceof Error || recent.size() > MAX_DEATHS
        ? Optional.of(cause)
        : Optional.empty();
  }

  /** The user's mistake that lies behind a death, else its root cause. */
  public Throwable cause(Throwable death) {
    Throwable cause = death;
    while (cause.getCause() != null && !(cause instanceof InvalidInput)) {
      cause = cause.getCause();
    }
    // its partitions do better on an instance that has room
    return isDiskFull(death)
        ? new InvalidInput("there is no space left under " + stateDirectory, cause)
        : cause;
  }

  private static boolean isDiskFull(Throwable death) {
    for (Throwable cause = death; cause != null; cause = cause.getCause()) {
      if (String.valueOf(cause.getMessage()).contains("No space left on device")) {
        return true;
      }
    }
    return false;
  }
}
