package io.fisherstreams.monitor;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows a monitor on a port of its own. It answers reads only and shows no secret. */
public final class MonitorServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MonitorServer.class);
  private static final int THREADS = 2;

  private final HttpServer server;
  private final Monitor monitor;
  private final ExecutorService executor;
  private final SlowClients slow;

  /**
   * Starts it.
   *
   * @throws InvalidInput when the address or port cannot be used
   */
  public MonitorServer(MonitorOptions options, Monitor monitor) {
    this(options, monitor, SlowClients.LIMIT);
  }

  /**
   * The same with another limit.
   *
   * @param longest time that a client has to take an answer
   */
  MonitorServer(MonitorOptions options, Monitor monitor, Duration longest) {
    this.monitor = monitor;
    this.slow = new SlowClients(longest);
    try {
      server = HttpServer.create(new InetSocketAddress(options.listen(), options.port()), 0);
    } catch (IOException | IllegalArgumentException e) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "health and metrics cannot listen on %s port %d: %s; choose another metrics.port",
              options.listen(),
              options.port(),
              e.getMessage()),
          e);
    }
    executor =
        Executors.newFixedThreadPool(
            THREADS,
            task -> {
              Thread thread = new Thread(task, "monitor");
              thread.setDaemon(true);
              return thread;
            });
    server.setExecutor(executor);
    server.createContext("/", this::handle);
    server.start();
  }

  /** Its port. */
  public int port() {
    return server.getAddress().getPort();
  }

  private void handle(HttpExchange exchange) {
    try (exchange) {
      boolean isHead = exchange.getRequestMethod().equals("HEAD");
      Monitor.Answer answer =
          isHead || exchange.getRequestMethod().equals("GET")
              ? monitor.answer(exchange.getRequestURI().getPath()).orElseGet(MonitorServer::unknown)
              : new Monitor.Answer(405, "text/plain; charset=utf-8", "only GET and HEAD\n");
      byte[] body = answer.bytes();
      exchange.getResponseHeaders().set("Content-Type", answer.type());
      exchange.getResponseHeaders().set("Cache-Control", "no-store");
      exchange.sendResponseHeaders(answer.status(), isHead ? -1 : body.length);
      if (!isHead) {
        slow.limit(() -> exchange.getResponseBody().write(body));
      }
    } catch (IOException e) {
      LOG.debug("the client is gone", e);
    }
  }

  private static Monitor.Answer unknown() {
    return new Monitor.Answer(
        404,
        "text/plain; charset=utf-8",
        "there are %s, %s and %s\n".formatted(Monitor.LIVE, Monitor.READY, Monitor.METRICS));
  }

  /** Stops at once. A second call does nothing. */
  @Override
  public void close() {
    server.stop(0);
    executor.shutdownNow();
    slow.close();
  }
}
