package io.fisherstreams.local;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.JsonFault;
import io.fisherstreams.local.SchemaStore.RegistryError;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A schema registry over HTTP on the loopback interface, for trying FisherStreams out and for
 * tests: the part of Confluent's interface that its clients use for Avro ({@link RegistryRoutes}).
 * Unlike Confluent's it deletes nothing and has no references between schemas.
 */
public final class EmbeddedRegistry implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(EmbeddedRegistry.class);
  private static final String HOST = "127.0.0.1";
  private static final String CONTENT_TYPE = "application/vnd.schemaregistry.v1+json";
  private static final int MAX_REQUEST_BYTES = 4 << 20;
  private static final int THREADS = 2;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final RegistryRoutes routes;
  private final HttpServer server;
  private final ExecutorService executor;

  private EmbeddedRegistry(SchemaStore store, HttpServer server) {
    this.routes = new RegistryRoutes(store);
    this.server = server;
    this.executor =
        Executors.newFixedThreadPool(
            THREADS,
            task -> {
              Thread thread = new Thread(task, "embedded-registry");
              thread.setDaemon(true);
              return thread;
            });
  }

  /** A registry on a free port that forgets everything when it is closed. */
  public static EmbeddedRegistry start() {
    return start(SchemaStore.inMemory(), 0);
  }

  /**
   * A registry that keeps its schemas and ids in a directory.
   *
   * @param directory for its file {@code schemas.json}; created when missing
   * @param port the loopback port, 0 for a free one
   * @throws InvalidInput when the port is taken or the file cannot be used
   */
  public static EmbeddedRegistry start(Path directory, int port) {
    return start(SchemaStore.open(directory.resolve("schemas.json")), port);
  }

  private static EmbeddedRegistry start(SchemaStore store, int port) {
    HttpServer server;
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getByName(HOST), port), 0);
    } catch (BindException e) {
      throw EmbeddedBroker.taken(port, e);
    } catch (IOException e) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "the schema registry cannot listen on port %d of %s: %s",
              port,
              HOST,
              InvalidInput.reason(e)),
          e);
    }
    EmbeddedRegistry registry = new EmbeddedRegistry(store, server);
    server.setExecutor(registry.executor);
    server.createContext("/", registry::handle);
    server.start();
    return registry;
  }

  /** The value of a client's {@code schema.registry.url}. */
  public String url() {
    return "http://" + HOST + ":" + server.getAddress().getPort();
  }

  /** Stops answering. A second call does nothing. */
  @Override
  public void close() {
    server.stop(0);
    executor.shutdownNow();
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      int status = 200;
      Object reply;
      try {
        reply =
            routes.reply(
                exchange.getRequestMethod(),
                segments(exchange.getRequestURI().getRawPath()),
                query(exchange.getRequestURI().getRawQuery()),
                body(exchange));
      } catch (RegistryError error) {
        // Codes such as 40401 begin with their HTTP status; 404, 405 and 409 are the status itself.
        status = error.code() >= 1000 ? error.code() / 100 : error.code();
        reply = error(error.code(), error.getMessage());
      } catch (RuntimeException e) {
        LOG.error("{} {}", exchange.getRequestMethod(), exchange.getRequestURI(), e);
        status = 500;
        reply = error(50001, "Error in the backend data store: " + e.getMessage());
      }
      byte[] bytes = JSON.writeValueAsBytes(reply);
      exchange.getResponseHeaders().set("Content-Type", CONTENT_TYPE);
      exchange.sendResponseHeaders(status, bytes.length);
      exchange.getResponseBody().write(bytes);
    }
  }

  private static Map<String, Object> error(int code, String message) {
    return Map.of("error_code", code, "message", message);
  }

  private static List<String> segments(String rawPath) {
    List<String> segments = new ArrayList<>();
    for (String segment : rawPath.split("/", -1)) {
      if (!segment.isEmpty()) {
        // A plus sign means a space in queries only.
        segments.add(decode(segment.replace("+", "%2B")));
      }
    }
    return segments;
  }

  private static Map<String, String> query(String rawQuery) {
    Map<String, String> query = new LinkedHashMap<>();
    if (rawQuery != null) {
      for (String pair : rawQuery.split("&", -1)) {
        int equals = pair.indexOf('=');
        if (equals > 0) {
          query.put(decode(pair.substring(0, equals)), decode(pair.substring(equals + 1)));
        }
      }
    }
    return query;
  }

  private static String decode(String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw new RegistryError(400, "HTTP 400 Bad Request: " + e.getMessage());
    }
  }

  private static JsonNode body(HttpExchange exchange) throws IOException {
    byte[] bytes = exchange.getRequestBody().readNBytes(MAX_REQUEST_BYTES + 1);
    if (bytes.length > MAX_REQUEST_BYTES) {
      throw new RegistryError(413, "HTTP 413 Request Entity Too Large");
    }
    if (bytes.length == 0) {
      return JSON.createObjectNode();
    }
    return json(new String(bytes, StandardCharsets.UTF_8));
  }

  static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new RegistryError(400, "HTTP 400 Bad Request: " + JsonFault.reason(e));
    }
  }
}
