package io.fisherstreams.kafka;

import io.fisherstreams.record.Stage;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * One instance of a stage. Each {@link Stage} has a class of its name, as {@code MergeStage}, whose
 * static method {@code create(kafka, topics, options…)} returns an instance that is not started.
 */
public interface StageInstance extends AutoCloseable {
  /** Starts it. */
  void start();

  /** Completes when it has its first share of the work; never when it ends before that. */
  default CompletableFuture<Void> ready() {
    return CompletableFuture.completedFuture(null);
  }

  /** Completes when it has ended, with the cause; without one when it was closed. */
  CompletableFuture<Optional<Throwable>> ended();

  /**
   * Throws when it has ended, with the cause.
   *
   * @param stage for the message
   */
  default void requireRunning(Stage stage) {
    if (ended().isDone()) {
      Optional<Throwable> cause = ended().join();
      throw new IllegalStateException(
          "the " + stage.text() + " stage has ended", cause.orElse(null));
    }
  }

  /** Ends it and closes its resources; a second call does nothing. */
  @Override
  void close();
}
