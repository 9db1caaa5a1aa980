package io.fisherstreams.estimation;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.KafkaException;

/**
 * Runs one task at a time on a thread of its own. A task returns an action, which runs on the
 * caller's thread when the caller finishes the task. For one caller.
 */
final class BackgroundTask {
  private final ExecutorService executor;
  private Future<Runnable> task;

  /**
   * No task yet.
   *
   * @param name of the thread
   */
  BackgroundTask(String name) {
    executor = Executors.newSingleThreadExecutor(run -> new Thread(run, name));
  }

  /** Starts a task; the one before is finished. */
  void start(Callable<Runnable> next) {
    task = executor.submit(next);
  }

  /** Whether a task was started and is not finished. */
  boolean isUnderWay() {
    return task != null;
  }

  /** Whether {@link #finish} would not wait. */
  boolean isDone() {
    return task.isDone();
  }

  /** Waits for the task and runs its action; throws what the task threw. */
  void finish() {
    Future<Runnable> done = task;
    task = null;
    try {
      done.get().run();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause
          ? cause
          : new KafkaException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted", e);
    }
  }

  /**
   * Drops the task's action and starts no other task.
   *
   * @return whether the thread ended within a minute
   */
  boolean stop() {
    task = null;
    executor.shutdown();
    try {
      return executor.awaitTermination(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
