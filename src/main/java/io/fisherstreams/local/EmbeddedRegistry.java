package io.fisherstreams.local;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.JsonFault;
import io.fisherstreams.local.SchemaStore.Compatibility;
import io.fisherstreams.local.SchemaStore.Refusal;
import io.fisherstreams.local.SchemaStore.Registered;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A schema registry for the local mode: the part of Confluent's HTTP interface that its clients use
 * for Avro, on the loopback interface. Unlike Confluent's it deletes nothing and has no references
 * between schemas.
 */
public final class EmbeddedRegistry implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(EmbeddedRegistry.class);
  private static final String HOST = "127.0.0.1";
  private static final String CONTENT_TYPE = "application/vnd.schemaregistry.v1+json";
  private static final int MAX_REQUEST_BYTES = 4 << 20;
  private static final int THREADS = 2;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final SchemaStore store;
  private final HttpServer server;
  private final ExecutorService executor;

  private EmbeddedRegistry(SchemaStore store, HttpServer server) {
    this.store = store;
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
   * A registry whose schemas and ids are there again when the directory is opened again.
   *
   * @param directory where it keeps its file {@code schemas.json}; made when missing
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
    } catch (IOException e) {
      throw new InvalidInput(
          "the schema registry cannot listen on port " + port + " of " + HOST + ": " + e, e);
    }
    EmbeddedRegistry registry = new EmbeddedRegistry(store, server);
    server.setExecutor(registry.executor);
    server.createContext("/", registry::handle);
    server.start();
    return registry;
  }

  /** What a client's {@code schema.registry.url} takes. */
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
            route(
                exchange.getRequestMethod(),
                segments(exchange.getRequestURI().getRawPath()),
                query(exchange.getRequestURI().getRawQuery()),
                body(exchange));
      } catch (Refusal refusal) {
        // 40401 and the like begin with their HTTP status; 404, 405 and 409 are it.
        status = refusal.code() >= 1000 ? refusal.code() / 100 : refusal.code();
        reply = error(refusal.code(), refusal.getMessage());
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

  private Object route(String method, List<String> path, Map<String, String> query, JsonNode body) {
    String resource = path.isEmpty() ? "" : path.get(0);
    return switch (resource) {
      case "" -> Map.of();
      case "subjects" -> subjects(method, path, body);
      case "schemas" -> schemas(method, path);
      case "config" -> config(method, path, query, body);
      case "compatibility" -> compatibility(method, path, query, body);
      default -> throw notFound(path);
    };
  }

  private Object subjects(String method, List<String> path, JsonNode body) {
    if (path.size() == 1) {
      require(method, "GET");
      return store.subjects();
    }
    String subject = path.get(1);
    if (path.size() == 2) {
      require(method, "POST");
      return described(store.lookup(subject, schemaOf(body)));
    }
    if (!path.get(2).equals("versions")) {
      throw notFound(path);
    }
    if (path.size() == 3 && method.equals("POST")) {
      return Map.of("id", store.register(subject, schemaOf(body)));
    }
    require(method, "GET");
    if (path.size() == 3) {
      return store.versions(subject).stream().map(Registered::version).toList();
    }
    Registered found = store.version(subject, path.get(3));
    if (path.size() == 4) {
      return described(found);
    }
    if (path.size() == 5 && path.get(4).equals("schema")) {
      return json(found.schema());
    }
    throw notFound(path);
  }

  private Object schemas(String method, List<String> path) {
    require(method, "GET");
    if (path.size() == 2 && path.get(1).equals("types")) {
      return List.of("AVRO");
    }
    if (path.size() < 3 || path.size() > 4 || !path.get(1).equals("ids")) {
      throw notFound(path);
    }
    int id;
    try {
      id = Integer.parseInt(path.get(2));
    } catch (NumberFormatException e) {
      throw new Refusal(404, "HTTP 404 Not Found: " + path.get(2) + " is no id");
    }
    if (path.size() == 3) {
      return Map.of("schema", store.schema(id));
    }
    return switch (path.get(3)) {
      case "schema" -> json(store.schema(id));
      case "subjects" -> store.uses(id).stream().map(Registered::subject).distinct().toList();
      case "versions" ->
          store.uses(id).stream()
              .map(use -> Map.of("subject", use.subject(), "version", use.version()))
              .toList();
      default -> throw notFound(path);
    };
  }

  private Object config(
      String method, List<String> path, Map<String, String> query, JsonNode body) {
    if (path.size() > 2) {
      throw notFound(path);
    }
    boolean global = path.size() == 1;
    if (method.equals("PUT")) {
      Compatibility rule = compatibilityOf(body);
      if (global) {
        store.setCompatibility(rule);
      } else {
        store.setCompatibility(path.get(1), rule);
      }
      return Map.of("compatibility", rule.name());
    }
    require(method, "GET");
    Compatibility rule =
        global
            ? store.compatibility()
            : store
                .compatibility(path.get(1))
                .or(
                    () ->
                        Boolean.parseBoolean(query.get("defaultToGlobal"))
                            ? Optional.of(store.compatibility())
                            : Optional.empty())
                .orElseThrow(
                    () ->
                        new Refusal(
                            40408,
                            "Subject '"
                                + path.get(1)
                                + "' does not have subject-level compatibility configured"));
    return Map.of("compatibilityLevel", rule.name());
  }

  private Object compatibility(
      String method, List<String> path, Map<String, String> query, JsonNode body) {
    require(method, "POST");
    if (path.size() < 4
        || path.size() > 5
        || !path.get(1).equals("subjects")
        || !path.get(3).equals("versions")) {
      throw notFound(path);
    }
    String schema = schemaOf(body);
    List<String> reasons =
        path.size() == 5
            ? store.incompatibilities(path.get(2), path.get(4), schema)
            : store.incompatibilities(path.get(2), schema);
    Map<String, Object> reply = new LinkedHashMap<>();
    reply.put("is_compatible", reasons.isEmpty());
    if (Boolean.parseBoolean(query.get("verbose"))) {
      reply.put("messages", reasons);
    }
    return reply;
  }

  private static Map<String, Object> described(Registered found) {
    Map<String, Object> reply = new LinkedHashMap<>();
    reply.put("subject", found.subject());
    reply.put("version", found.version());
    reply.put("id", found.id());
    reply.put("schema", found.schema());
    return reply;
  }

  private static String schemaOf(JsonNode body) {
    String type = body.path("schemaType").asText("AVRO");
    if (!type.equals("AVRO")) {
      throw new Refusal(42201, "Invalid schema type " + type + ": this registry has AVRO only");
    }
    if (!body.path("references").isEmpty()) {
      throw new Refusal(42201, "Invalid schema: this registry has no schema references");
    }
    if (!body.path("schema").isTextual()) {
      throw new Refusal(42201, "Invalid schema: the request has no \"schema\"");
    }
    return body.get("schema").textValue();
  }

  private static Compatibility compatibilityOf(JsonNode body) {
    String name = body.path("compatibility").asText();
    for (Compatibility rule : Compatibility.values()) {
      if (rule.name().equals(name)) {
        return rule;
      }
    }
    throw new Refusal(
        42203,
        "Invalid compatibility level '"
            + name
            + "'. Valid values are "
            + List.of(Compatibility.values()));
  }

  private static void require(String method, String expected) {
    if (!method.equals(expected)) {
      throw new Refusal(405, "HTTP 405 Method Not Allowed");
    }
  }

  private static Refusal notFound(List<String> path) {
    return new Refusal(404, "HTTP 404 Not Found: /" + String.join("/", path));
  }

  private static Map<String, Object> error(int code, String message) {
    return Map.of("error_code", code, "message", message);
  }

  private static List<String> segments(String rawPath) {
    List<String> segments = new ArrayList<>();
    for (String segment : rawPath.split("/", -1)) {
      if (!segment.isEmpty()) {
        // A plus sign stands for a space in queries only.
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
      throw new Refusal(400, "HTTP 400 Bad Request: " + e.getMessage());
    }
  }

  private static JsonNode body(HttpExchange exchange) throws IOException {
    byte[] bytes = exchange.getRequestBody().readNBytes(MAX_REQUEST_BYTES + 1);
    if (bytes.length > MAX_REQUEST_BYTES) {
      throw new Refusal(413, "HTTP 413 Request Entity Too Large");
    }
    if (bytes.length == 0) {
      return JSON.createObjectNode();
    }
    return json(new String(bytes, StandardCharsets.UTF_8));
  }

  private static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new Refusal(400, "HTTP 400 Bad Request: " + JsonFault.reason(e));
    }
  }
}
