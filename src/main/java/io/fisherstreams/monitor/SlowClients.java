package io.fisherstreams.monitor;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * Ends writes to clients that take too little: otherwise a few of them would hold every thread of a
 * server. An interrupt closes the channel that a thread writes to. Thread-safe.
 */
public final class SlowClients implements AutoCloseable {
  /** How long a client has for its request, and for each block of an answer. */
  public static final Duration LIMIT = Duration.ofSeconds(30);

  private static final int MAX_CONNECTIONS = 500;

  private final Duration longest;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "slow-clients");
            thread.setDaemon(true);
            return thread;
          });

  /** A write. */
  public interface Write {
    /** Writes. */
    void run() throws IOException;
  }

  /**
   * Limits the writes of one server.
   *
   * @param longest time of one write
   */
  public SlowClients(Duration longest) {
    this.longest = longest;
  }

  /**
   * Ends connections that do not send their request within the limit, and bounds their number. Java
   * reads both before its first HTTP server starts.
   */
  public static void limitRequests() {
    setProperty("sun.net.httpserver.maxReqTime", LIMIT.toSeconds());
    setProperty("jdk.httpserver.maxConnections", MAX_CONNECTIONS);
  }

  private static void setProperty(String name, long value) {
    if (System.getProperty(name) == null) {
      System.setProperty(name, Long.toString(value));
    }
  }

  /** Runs a write, which fails when it takes too long or the server stops. */
  public void limit(Write write) throws IOException {
    Thread thread = Thread.currentThread();
    ScheduledFuture<?> end;
    try {
      end = timer.schedule(thread::interrupt, longest.toMillis(), TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      throw new IOException("the server stops", e);
    }
    try {
      write.run();
    } finally {
      end.cancel(false);
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
