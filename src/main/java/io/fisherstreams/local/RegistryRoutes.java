package io.fisherstreams.local;

import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.local.SchemaStore.Registered;
import io.fisherstreams.local.SchemaStore.RegistryError;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Confluent's registry interface for Avro over a {@link SchemaStore}, without HTTP. */
final class RegistryRoutes {
  private final SchemaStore store;

  RegistryRoutes(SchemaStore store) {
    this.store = store;
  }

  /**
   * Handles a request.
   *
   * @param path its segments
   * @return what the reply's JSON is made from
   * @throws RegistryError with the registry's error code
   */
  Object reply(String method, List<String> path, Map<String, String> query, JsonNode body) {
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
    if (path.size() == 2 && method.equals("DELETE")) {
      return store.delete(subject);
    }
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
      return EmbeddedRegistry.json(found.schema());
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
      throw new RegistryError(404, "HTTP 404 Not Found: " + path.get(2) + " is no id");
    }
    if (path.size() == 3) {
      return Map.of("schema", store.schema(id));
    }
    return switch (path.get(3)) {
      case "schema" -> EmbeddedRegistry.json(store.schema(id));
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
                        new RegistryError(
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
      throw new RegistryError(
          42201, "Invalid schema type " + type + ": this registry has AVRO only");
    }
    if (!body.path("references").isEmpty()) {
      throw new RegistryError(42201, "Invalid schema: this registry has no schema references");
    }
    if (!body.path("schema").isTextual()) {
      throw new RegistryError(42201, "Invalid schema: the request has no \"schema\"");
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
    throw new RegistryError(
        42203,
        "Invalid compatibility level '"
            + name
            + "'. Valid values are "
            + List.of(Compatibility.values()));
  }

  private static void require(String method, String expected) {
    if (!method.equals(expected)) {
      throw new RegistryError(405, "HTTP 405 Method Not Allowed");
    }
  }

  private static RegistryError notFound(List<String> path) {
    return new RegistryError(404, "HTTP 404 Not Found: /" + String.join("/", path));
  }
}
