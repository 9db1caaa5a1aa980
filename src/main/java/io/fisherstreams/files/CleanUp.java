package io.fisherstreams.files;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What has to be removed or stopped when the process is stopped (SIGINT, SIGTERM) before its work
 * is done. One shutdown hook runs the tasks one after another, the newest first. A task that fails
 * is named and does not keep the others from running. Thread-safe.
 */
public final class CleanUp implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CleanUp.class);
  private static final Deque<CleanUp> TASKS = new ArrayDeque<>();
  private static boolean hooked;
  private static volatile boolean stopping;

  private final String what;
  private final Runnable task;

  private CleanUp(String what, Runnable task) {
    this.what = what;
    this.task = task;
  }

  /**
   * Runs a task if the process is stopped before {@link #close()}.
   *
   * @param what is removed or stopped, for the message if that fails
   */
  public static CleanUp onStop(String what, Runnable task) {
    CleanUp cleanUp = new CleanUp(what, task);
    synchronized (TASKS) {
      if (!hooked) {
        Runtime.getRuntime().addShutdownHook(new Thread(CleanUp::runAll, "clean-up"));
        hooked = true;
      }
      TASKS.push(cleanUp);
    }
    return cleanUp;
  }

  /** Whether the process is being stopped: what fails from now on fails because of that. */
  public static boolean isStopping() {
    return stopping;
  }

  private static void runAll() {
    stopping = true;
    while (true) {
      CleanUp next;
      synchronized (TASKS) {
        next = TASKS.poll();
      }
      if (next == null) {
        return;
      }
      try {
        next.task.run();
      } catch (RuntimeException | Error e) {
        LOG.error("cannot clean up {}: {}", next.what, e.getMessage());
      }
    }
  }

  /** The task is not needed any more, unless the process is being stopped: then it runs. */
  @Override
  public void close() {
    if (stopping) {
      return;
    }
    synchronized (TASKS) {
      TASKS.remove(this);
    }
  }
}
