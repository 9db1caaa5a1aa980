package io.fisherstreams.cli;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Logs once that a server of a running service does not answer, and once that it is back: the
 * clients' own warnings, one for each attempt, are off.
 */
final class OutageWatch implements AutoCloseable {
  /**
   * A server to watch.
   *
   * @param name with its address, for the log
   * @param answers asks it; takes seconds at most
   */
  record Server(String name, BooleanSupplier answers) {}

  private static final Logger LOG = LoggerFactory.getLogger(OutageWatch.class);
  private static final Duration EVERY = Duration.ofSeconds(5);

  private final List<Server> servers;
  private final Set<Server> away = ConcurrentHashMap.newKeySet();
  private final ScheduledExecutorService executor =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "outage-watch");
            thread.setDaemon(true);
            return thread;
          });

  OutageWatch(List<Server> servers) {
    this.servers = List.copyOf(servers);
  }

  @SuppressWarnings("FutureReturnValueIgnored") // a failed look would be a fault of this class
  void start() {
    executor.scheduleWithFixedDelay(
        this::look, EVERY.toMillis(), EVERY.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Whether a server, by its place in the list, answered when it was asked last. */
  boolean answers(int server) {
    return !away.contains(servers.get(server));
  }

  /** Asks each server once. */
  void look() {
    for (Server server : servers) {
      if (!server.answers().getAsBoolean()) {
        if (away.add(server)) {
          LOG.warn("{} does not answer; the stages wait until it is back", server.name());
        }
      } else if (away.remove(server)) {
        LOG.info("{} is back again", server.name());
      }
    }
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }
}
