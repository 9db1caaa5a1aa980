package io.fisherstreams.cli;

import io.fisherstreams.files.CleanUp;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/**
 * The life of a command that runs stages until it is stopped. It says when the stages work, and on
 * SIGINT and SIGTERM that it stops.
 */
final class Service {
  // Longer than the session of an instance that was killed: its successor waits for its end.
  private static final Duration READY_WITHIN = Duration.ofSeconds(30);

  private final String name;
  private final PrintWriter out;

  /**
   * A service that is not started.
   *
   * @param name for its messages, such as "pool p"
   */
  Service(String name, PrintWriter out) {
    this.name = name;
    this.out = out;
  }

  /**
   * Runs stages, which it closes, until one of them or {@code other} ends.
   *
   * @param announce tells that commands can use the service
   */
  void run(RunningStages stages, Runnable announce, CompletableFuture<?> other) {
    CleanUp atStop =
        CleanUp.onStop(
            "the stages",
            () -> {
              say("stopping " + name + " ...");
              stages.close();
            });
    try {
      boolean ready = stages.start(READY_WITHIN);
      if (!stages.isEnded() && !CleanUp.isStopping()) {
        announce.run();
        say(ready ? "ready; ^C stops it" : "the stages restore their state; ^C stops them");
      }
      stages.awaitEnd(other);
    } finally {
      stages.close();
      atStop.close();
    }
    stages.requireNoFailure();
  }

  /** Prints a line at once. */
  void say(String line) {
    out.println(line);
    out.flush();
  }
}
