package io.fisherstreams.api;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.monitor.SlowClients;
import io.fisherstreams.view.MaskedJson;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Receives requests, rejects those that are not allowed, and gives the others to their route. */
final class ApiServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);
  // Beside those of downloads and event streams.
  private static final int THREADS = 8;
  private static final int IDLE_SECONDS = 30;

  private final HttpServer server;
  private final Access access;
  private final ThreadPoolExecutor threads;
  private final SlowClients slow;
  private final Monitor monitor;
  private volatile List<Route> routes = List.of();

  /**
   * A server that has its port and is not started.
   *
   * @param monitor whose health and metrics it shows too
   * @throws InvalidInput when the address or port cannot be used
   */
  ApiServer(ApiOptions options, Monitor monitor) {
    this(options, monitor, SlowClients.LIMIT);
  }

  /**
   * The same with another limit.
   *
   * @param longest time that a client has for each block of an answer
   */
  ApiServer(ApiOptions options, Monitor monitor, Duration longest) {
    this.monitor = monitor;
    this.access = new Access(options);
    try {
      server = HttpServer.create(new InetSocketAddress(options.listen(), options.port()), 0);
    } catch (IOException | IllegalArgumentException e) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "the API cannot listen on %s port %d: %s; choose another api.port",
              options.listen(),
              options.port(),
              e.getMessage()),
          e);
    }
    AtomicInteger number = new AtomicInteger();
    int most = THREADS + options.downloads() + options.streams();
    threads =
        new ThreadPoolExecutor(
            most,
            most,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            task -> daemon(task, "api-" + number.incrementAndGet()));
    threads.allowCoreThreadTimeOut(true);
    slow = new SlowClients(longest);
    server.setExecutor(threads);
    server.createContext("/", this::handle);
  }

  /** A thread that does not keep the process alive. */
  static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  /** Begins to answer. */
  void start(List<Route> all) {
    routes = List.copyOf(all);
    server.start();
  }

  /** Where it listens. */
  URI url() {
    InetSocketAddress address = server.getAddress();
    String host =
        address.getAddress().isAnyLocalAddress()
            ? "127.0.0.1"
            : address.getAddress().getHostAddress();
    return URI.create(
        "http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + address.getPort());
  }

  private void handle(HttpExchange exchange) {
    try (exchange) {
      Request request = request(exchange);
      try {
        setCommonHeaders(exchange.getResponseHeaders());
        access.requireRate(exchange);
        access.requireHost(exchange);
        access.requireOrigin(exchange);
        route(exchange);
      } catch (Problem problem) {
        answer(request, problem.status(), problem.getMessage());
      } catch (InvalidInput e) {
        answer(request, 409, e.getMessage());
      } catch (KafkaException e) {
        LOG.warn("{} {}", exchange.getRequestMethod(), exchange.getRequestURI().getPath(), e);
        answer(request, 503, "Kafka does not answer as expected: " + e.getMessage());
      } catch (RuntimeException e) {
        LOG.error("{} {}", exchange.getRequestMethod(), exchange.getRequestURI().getPath(), e);
        answer(request, 500, "unexpected failure; the server's log has more");
      }
    } catch (IOException e) {
      LOG.debug("the client is gone", e);
    }
  }

  private static void setCommonHeaders(Headers headers) {
    headers.set("Cache-Control", "no-store");
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set("Referrer-Policy", "no-referrer");
    headers.set("Cross-Origin-Resource-Policy", "same-origin");
    headers.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  }

  private void route(HttpExchange exchange) throws IOException {
    String method = exchange.getRequestMethod();
    String path = exchange.getRequestURI().getRawPath();
    Set<String> methods = new HashSet<>();
    for (Route route : routes) {
      Optional<Map<String, String>> parameters = route.match(path);
      if (parameters.isEmpty()) {
        continue;
      }
      if (route.method().equals(method.equals("HEAD") ? "GET" : method)) {
        if (route.isChange()) {
          access.requireToken(exchange);
        }
        route.handler().handle(new Request(exchange, parameters.get(), slow));
        return;
      }
      methods.add(route.method());
    }
    Optional<Monitor.Answer> health = monitor.answer(path);
    if (health.isPresent() && !method.equals("OPTIONS")) {
      request(exchange).bytes(health.get().status(), health.get().type(), health.get().bytes());
      return;
    }
    if (methods.isEmpty()
        && !path.startsWith("/v1")
        && (method.equals("GET") || method.equals("HEAD"))) {
      PageFiles.answer(path, request(exchange));
    } else if (methods.isEmpty()) {
      throw Problem.notFound("there is no " + exchange.getRequestURI().getPath());
    } else {
      access.allow(exchange, methods);
      if (!method.equals("OPTIONS")) {
        throw new Problem(
            405, "%s is not a method of this address; it has %s".formatted(method, methods));
      }
      request(exchange).begin(204, 0);
    }
  }

  private Request request(HttpExchange exchange) {
    return new Request(exchange, Map.of(), slow);
  }

  /**
   * Answers with a problem, unless the answer has begun: then the client sees its end is missing.
   */
  private static void answer(Request request, int status, String detail) throws IOException {
    if (request.hasBegun()) {
      return;
    }
    request.bytes(
        status,
        "application/problem+json",
        MaskedJson.object(
            json -> {
              json.writeStringField("type", "about:blank");
              json.writeStringField("title", Problem.title(status));
              json.writeNumberField("status", status);
              json.writeStringField("detail", detail);
            }));
  }

  /** Stops at once. A second call does nothing. */
  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
    slow.close();
  }
}
