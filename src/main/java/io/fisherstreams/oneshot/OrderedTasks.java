package io.fisherstreams.oneshot;

import com.google.common.util.concurrent.Uninterruptibles;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Runs numbered tasks on several threads and finds the same failure whatever the threads do. */
final class OrderedTasks implements AutoCloseable {
  private final int threads;
  private final ExecutorService executor;

  /** Starts {@code threads} threads, at least 1. */
  OrderedTasks(int threads) {
    this.threads = threads;
    this.executor = Executors.newFixedThreadPool(threads);
  }

  /** What one thread runs, task after task. */
  interface Task extends AutoCloseable {
    /** Runs one task, by its number. */
    void run(int index);

    /** Releases the thread's scratch memory, after its last task. */
    @Override
    default void close() {}
  }

  /** Makes what one thread runs task after task, with scratch memory of its own. */
  interface Worker {
    Task start();
  }

  /**
   * Runs tasks 0 to {@code tasks} − 1 on all threads and returns when every thread is done: a
   * memory map must not be closed while a thread reads it. Threads start tasks in order, so every
   * task before a failed one runs, and the failure of the lowest number is thrown.
   */
  void forEach(int tasks, Worker worker) {
    AtomicInteger next = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger(tasks);
    RuntimeException[] failures = new RuntimeException[tasks];
    List<Future<?>> running = new ArrayList<>();
    for (int thread = 0; thread < threads; thread++) {
      running.add(
          executor.submit(
              () -> {
                try (Task task = worker.start()) {
                  for (int i = next.getAndIncrement();
                      i < failed.get();
                      i = next.getAndIncrement()) {
                    try {
                      task.run(i);
                    } catch (RuntimeException e) {
                      failures[i] = e;
                      failed.accumulateAndGet(i, Math::min);
                    }
                  }
                }
              }));
    }
    Error error = null;
    for (Future<?> thread : running) {
      try {
        Uninterruptibles.getUninterruptibly(thread);
      } catch (ExecutionException e) {
        error = new AssertionError("a reading thread died", e.getCause());
      }
    }
    if (error != null) {
      throw error;
    }
    if (failed.get() < tasks) {
      throw failures[failed.get()];
    }
  }

  @Override
  public void close() {
    executor.shutdown();
  }
}
