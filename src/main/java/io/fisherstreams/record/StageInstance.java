package io.fisherstreams.record;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** One instance of a stage. */
public interface StageInstance extends AutoCloseable {
  /** Starts it. */
  void start();

  /** Completes when it has ended, with what ended it unless it was closed. */
  CompletableFuture<Optional<Throwable>> ended();

  /** Ends it and closes what it works with; a second call does nothing. */
  @Override
  void close();
}
