package io.fisherstreams.kafka;

import io.fisherstreams.record.Stage;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** One instance of a stage. */
public interface StageInstance extends AutoCloseable {
  /** Starts it. */
  void start();

  /** Completes when it has ended, with what ended it unless it was closed. */
  CompletableFuture<Optional<Throwable>> ended();

  /**
   * Throws when it has ended, with what ended it.
   *
   * @param stage for the message
   */
  default void requireRunning(Stage stage) {
    if (ended().isDone()) {
      Optional<Throwable> cause = ended().join();
      throw new IllegalStateException("the " + stage.text() + " stage has ended", cause.orElse(null));
    }
  }

  /** Ends it and closes what it works with; a second call does nothing. */
  @Override
  void close();
}
