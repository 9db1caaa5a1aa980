package io.fisherstreams.api;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.coordinator.LayerShares;
import io.fisherstreams.coordinator.PoolFollower;
import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.publish.PoolChanges;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.AliasJson;
import io.fisherstreams.release.NamedRelease;
import io.fisherstreams.release.ReleaseAliases;
import io.fisherstreams.release.ReleaseJson;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.TensorInfo;
import io.fisherstreams.view.DeadLetterJson;
import io.fisherstreams.view.MaskedJson;
import io.fisherstreams.view.PoolJson;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;

/** The routes under {@code /v1}, as {@code openapi.yaml} describes them. */
final class PoolRoutes {
  /** The description of the routes on the class path. */
  static final String DOCUMENT = "openapi.yaml";

  private static final int MAX_LISTED = 1000;
  private static final int LISTED = 100;
  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);
  private static final String NEWEST = "newest";

  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final PoolFollower follower;
  private final LivePage page;
  private final ReleaseFiles files;
  private final Downloads downloads;
  private final Similarities similarities;
  private final Monitor monitor;

  PoolRoutes(
      KafkaSettings kafka,
      PoolTopics topics,
      PoolFollower follower,
      LivePage page,
      ReleaseFiles files,
      Downloads downloads,
      Similarities similarities,
      Monitor monitor) {
    this.kafka = kafka;
    this.topics = topics;
    this.follower = follower;
    this.page = page;
    this.files = files;
    this.downloads = downloads;
    this.similarities = similarities;
    this.monitor = monitor;
  }

  /** All routes. */
  List<Route> all() {
    return List.of(
        new Route("GET", "/v1/pool", this::pool),
        new Route("GET", "/v1/models", request -> models(request, null)),
        new Route(
            "GET", "/v1/models/{model}", request -> models(request, request.parameter("model"))),
        new Route("POST", "/v1/models/{model}/withdraw", this::withdraw),
        new Route("POST", "/v1/models/{model}/weight", this::weight),
        new Route("GET", "/v1/releases", this::releases),
        new Route("GET", "/v1/releases/{release}", this::release),
        new Route("GET", "/v1/releases/{release}/shares", this::shares),
        new Route("GET", "/v1/releases/{release}/similarity", this::similarity),
        new Route("GET", "/v1/releases/{release}/tensors", this::tensors),
        new Route("GET", "/v1/releases/{release}/tensors/{tensor}", this::tensor),
        new Route("GET", "/v1/releases/{release}/safetensors", this::safetensors),
        new Route("GET", "/v1/aliases", this::aliases),
        new Route("GET", "/v1/aliases/{alias}", this::alias),
        new Route("PUT", "/v1/aliases/{alias}", this::setAlias),
        new Route("GET", "/v1/dead-letters", this::deadLetters),
        new Route("GET", "/v1/events", this::events),
        new Route("GET", "/v1/process", request -> request.json(200, json -> monitor.write(json))),
        new Route("GET", "/v1/openapi.yaml", PoolRoutes::document));
  }

  private <T> T read(Function<PoolReading, T> reader) {
    if (!follower.ready().isDone()) {
      throw new Problem(503, "the pool is being read; try again in a few seconds");
    }
    return follower.read(reader);
  }

  private void pool(Request request) throws IOException {
    read(reading -> true);
    request.json(200, page::writePool);
  }

  private void models(Request request, String only) throws IOException {
    byte[] body =
        read(
            reading -> {
              if (only != null) {
                requireModel(reading, only);
              }
              return MaskedJson.object(
                  json ->
                      PoolJson.models(json, reading, name -> only == null || only.equals(name)));
            });
    request.bytes(200, "application/json", body);
  }

  private void requireModel(PoolReading reading, String model) {
    Set<String> names = reading.status().view().models().keySet();
    if (!names.contains(model)) {
      throw Problem.notFound(
          "pool %s has no model %s; it has %s".formatted(topics.pool(), model, names));
    }
  }

  private void withdraw(Request request) throws IOException {
    String model = request.parameter("model");
    read(
        reading -> {
          requireModel(reading, model);
          return true;
        });
    new PoolChanges(kafka, topics).withdraw(model);
    request.json(202, json -> change(json, model, "withdrew " + model));
  }

  private void weight(Request request) throws IOException {
    String model = request.parameter("model");
    JsonNode body = request.body(Set.of("coefficient", "group"));
    JsonNode coefficient = body.get("coefficient");
    JsonNode group = body.get("group");
    if (group != null && !group.isTextual()) {
      throw new Problem(400, "group is " + group + ", expected the name of a group");
    }
    if (coefficient == null || !(coefficient.isNull() || coefficient.isNumber())) {
      throw new Problem(
          400,
          coefficient == null
              ? "the key coefficient is missing, expected a number or null"
              : "coefficient is " + coefficient + ", expected a number or null");
    }
    OptionalDouble value =
        coefficient.isNull()
            ? OptionalDouble.empty()
            : OptionalDouble.of(coefficient.doubleValue());
    requireCoefficient(value);
    read(
        reading -> {
          requireModel(reading, model);
          return true;
        });
    List<String> notes = new ArrayList<>();
    new PoolChanges(kafka, topics)
        .weight(
            model,
            before ->
                group == null
                    ? new Coefficients(value, before.ofGroups())
                    : before.with(group.textValue(), value),
            notes::add);
    request.json(
        202,
        json -> {
          change(
              json,
              model,
              model
                  + " now has coefficient "
                  + (value.isPresent() ? Double.toString(value.getAsDouble()) : "default")
                  + (group == null ? "" : " in group " + group.textValue()));
          if (!notes.isEmpty()) {
            json.writeStringField("note", String.join("; ", notes));
          }
        });
  }

  /** Whether it may be below 0 depends on the pool's method, which decides later. */
  private static void requireCoefficient(OptionalDouble value) {
    try {
      value.ifPresent(lambda -> CoefficientRules.requireCoefficient("the coefficient", lambda));
    } catch (InvalidInput e) {
      throw new Problem(400, e.getMessage());
    }
  }

  private static void change(JsonGenerator json, String model, String change) throws IOException {
    json.writeStringField("model", model);
    json.writeStringField("change", change);
  }

  private void releases(Request request) throws IOException {
    int limit = (int) request.number("limit", LISTED, MAX_LISTED);
    long before = request.number("before", Long.MAX_VALUE, Long.MAX_VALUE);
    List<Release> releases =
        read(
            reading ->
                reading.status().releases().stream()
                    .filter(release -> release.getRelease() < before)
                    .toList());
    List<Release> listed = releases.subList(Math.max(0, releases.size() - limit), releases.size());
    request.json(
        200,
        json -> {
          json.writeArrayFieldStart("releases");
          for (Release release : listed) {
            json.writeStartObject();
            ReleaseJson.writeWhole(json, release);
            json.writeEndObject();
          }
          json.writeEndArray();
        });
  }

  /** The release that a path names. */
  private Release find(Request request) {
    String name = request.parameter("release");
    return read(
        reading -> {
          if (name.equals(NEWEST)) {
            return reading
                .newestRelease()
                .orElseThrow(() -> Problem.notFound("the pool has no complete release yet"));
          }
          Alias alias = reading.aliases().get(name);
          if (alias == null && !name.matches("[0-9]{1,18}")) {
            throw Problem.notFound(
                "'%s' is neither a release's id nor an alias of pool %s; it has %s"
                    .formatted(name, topics.pool(), reading.aliases().keySet()));
          }
          long id = alias == null ? Long.parseLong(name) : alias.getRelease();
          return reading.status().releases().stream()
              .filter(release -> release.getRelease() == id)
              .findFirst()
              .orElseThrow(() -> Problem.notFound("there is no release " + id));
        });
  }

  private void release(Request request) throws IOException {
    Release release = find(request);
    request.json(200, json -> ReleaseJson.writeWhole(json, release));
  }

  private void shares(Request request) throws IOException {
    Release release = find(request);
    byte[] body =
        read(
            reading -> {
              LayerShares shares = LayerShares.of(reading.status().view(), release.getPlan());
              return MaskedJson.object(json -> PoolJson.shares(json, shares));
            });
    request.bytes(200, "application/json", body);
  }

  private void similarity(Request request) throws IOException {
    similarities.answer(request, find(request), follower.partitions());
  }

  private void tensors(Request request) throws IOException {
    Release release = find(request);
    requireTensors(release);
    List<TensorInfo> tensors = files.tensors(release);
    request.json(
        200,
        json -> {
          json.writeNumberField("release", release.getRelease());
          json.writeArrayFieldStart("tensors");
          for (TensorInfo tensor : tensors) {
            json.writeStartObject();
            json.writeStringField("name", tensor.name());
            json.writeStringField("dtype", tensor.dtype().toString());
            json.writeArrayFieldStart("shape");
            for (long size : tensor.shape()) {
              json.writeNumber(size);
            }
            json.writeEndArray();
            json.writeNumberField("bytes", tensor.bytes());
            json.writeEndObject();
          }
          json.writeEndArray();
        });
  }

  private static void requireTensors(Release release) {
    if (release.getStatus() == ReleaseStatus.ABANDONED || release.getSlices().isEmpty()) {
      throw new Problem(
          409, "release " + release.getRelease() + " has no tensors: " + release.getReason());
    }
  }

  private void safetensors(Request request) throws IOException {
    Release release = find(request);
    requireTensors(release);
    String name = topics.pool() + "-" + release.getRelease() + ".safetensors";
    downloads.send(request, release, name, tag(release), SafetensorsSlice::whole);
  }

  private void tensor(Request request) throws IOException {
    Release release = find(request);
    requireTensors(release);
    String tensor = request.parameter("tensor");
    String name = tensor.replaceAll("[^A-Za-z0-9._-]", "_") + ".safetensors";
    String tag = tag(release) + "-" + Integer.toHexString(tensor.hashCode());
    downloads.send(request, release, name, tag, file -> SafetensorsSlice.tensor(file, tensor));
  }

  private static String tag(Release release) {
    return release.getRelease() + "-" + release.getChecksum();
  }

  private void aliases(Request request) throws IOException {
    List<Alias> aliases = read(reading -> List.copyOf(reading.aliases().values()));
    request.json(
        200,
        json -> {
          json.writeArrayFieldStart("aliases");
          for (Alias alias : aliases) {
            json.writeStartObject();
            AliasJson.write(json, alias);
            json.writeEndObject();
          }
          json.writeEndArray();
        });
  }

  private void alias(Request request) throws IOException {
    String name = request.parameter("alias");
    Map<String, Alias> aliases = read(reading -> new TreeMap<>(reading.aliases()));
    if (!aliases.containsKey(name)) {
      throw Problem.notFound(
          "pool %s has no alias %s; it has %s".formatted(topics.pool(), name, aliases.keySet()));
    }
    request.json(200, json -> AliasJson.write(json, aliases.get(name)));
  }

  private void setAlias(Request request) throws IOException {
    JsonNode body = request.body(Set.of("release", "hold"));
    JsonNode release = body.get("release");
    JsonNode hold = body.get("hold");
    if (release == null || !(release.isIntegralNumber() || release.isTextual())) {
      throw new Problem(400, "release is " + release + ", expected an id or an alias");
    }
    if (hold != null && !hold.isBoolean()) {
      throw new Problem(400, "hold is " + hold + ", expected true or false");
    }
    Release found;
    try {
      found =
          NamedRelease.findUsable(
              release.asText(), new ReleaseReader(kafka, topics), kafka, topics);
    } catch (InvalidInput e) {
      throw new Problem(409, e.getMessage());
    }
    Alias alias =
        new ReleaseAliases(kafka, topics)
            .set(
                request.parameter("alias"),
                found.getRelease(),
                hold != null && hold.booleanValue(),
                ANSWER_WITHIN);
    request.json(200, json -> AliasJson.write(json, alias));
  }

  private void deadLetters(Request request) throws IOException {
    int limit = (int) request.number("limit", LISTED, MAX_LISTED);
    byte[] body =
        read(
            reading ->
                MaskedJson.object(
                    json -> {
                      json.writeNumberField("total", reading.deadLetterCount());
                      json.writeArrayFieldStart("dead_letters");
                      List<DeadLetter> letters = reading.deadLetters();
                      for (int i = 0; i < Math.min(limit, letters.size()); i++) {
                        json.writeStartObject();
                        DeadLetterJson.write(json, letters.get(letters.size() - 1 - i));
                        json.writeEndObject();
                      }
                      json.writeEndArray();
                    }));
    request.bytes(200, "application/json", body);
  }

  private void events(Request request) throws IOException {
    read(reading -> true);
    page.serve(request);
  }

  private static void document(Request request) throws IOException {
    try (InputStream document = PoolRoutes.class.getResourceAsStream(DOCUMENT)) {
      request.bytes(200, "application/yaml", document.readAllBytes());
    }
  }
}
