package io.fisherstreams.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import io.fisherstreams.Secrets;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.api.ApiStage;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Stage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The API of a running pool over HTTP. Each test leaves the pool with a and b in a release. */
class ApiIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final String TOKEN = "a-token-of-a-test-0123456789";
  private static final String SECRET = "Zq8secret-in-a-key";
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  @TempDir private static Path directory;
  private static CommandPool pool;
  private static ApiStage api;
  private static Monitor monitor;
  private static JsonNode document;
  private static long release;

  @BeforeAll
  static void start() throws IOException {
    Secrets.hide(SECRET);
    pool = new CommandPool(directory, 2, PlanPolicy.atOnce(Set.of("a", "b")));
    publish("base", 0, "--base");
    for (String model : List.of("a", "b")) {
      float value = model.equals("a") ? 1 : 4;
      publish(model, value);
      String fisher = pool.file(model + ".fisher", tensors(value));
      pool.output("publish", "fisher", fisher, "--model", model);
    }
    release =
        pool.awaitRelease("the release", r -> r.getStatus() == ReleaseStatus.COMPLETE).getRelease();
    monitor = new Monitor("pool", directory);
    monitor.add(Stage.MERGE, pool.stage(Stage.MERGE));
    Path token = Files.writeString(directory.resolve("token"), TOKEN + "\n");
    api = stage("api", Optional.of(token), 1);
    await().atMost(PATIENCE).until(() -> api.ready().isDone());
    document = new ObjectMapper(new YAMLFactory()).readTree(get("/v1/openapi.yaml", 200).body());
  }

  @AfterAll
  static void stop() {
    api.close();
    monitor.close();
    pool.close();
  }

  private static ApiStage stage(String name, Optional<Path> token, int streams) {
    ApiStage stage =
        ApiStage.create(
            pool.kafka,
            pool.topics,
            new ApiOptions(
                "127.0.0.1",
                0,
                token,
                List.of(),
                List.of("https://ops.example.org"),
                500,
                2,
                streams),
            Map.of(),
            directory.resolve(name),
            monitor);
    stage.start();
    return stage;
  }

  private static Map<String, float[]> tensors(float value) {
    return Map.of(
        "h.0.weight", new float[] {value, 2 * value, 3, 5},
        "h.1.weight", new float[] {value, 7});
  }

  private static void publish(String model, float value, String... more) {
    String[] line = {"publish", "checkpoint", pool.file(model, tensors(value)), "--model", model};
    String[] whole = Arrays.copyOf(line, line.length + more.length);
    System.arraycopy(more, 0, whole, line.length, more.length);
    pool.output(whole);
  }

  private static HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(api.url().resolve(path)).timeout(PATIENCE);
  }

  private static HttpResponse<byte[]> send(HttpRequest.Builder request) throws IOException {
    try {
      return CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static HttpResponse<byte[]> get(String path, int status, String... headers)
      throws IOException {
    HttpRequest.Builder request = request(path);
    if (headers.length > 0) {
      request.headers(headers);
    }
    HttpResponse<byte[]> response = send(request);
    assertThat(response.statusCode())
        .as("%s: %s", path, new String(response.body(), UTF_8))
        .isEqualTo(status);
    return response;
  }

  private static JsonNode json(String path) throws IOException {
    return JSON.readTree(get(path, 200).body());
  }

  private static HttpResponse<byte[]> change(
      String method, String path, String body, String... headers) throws IOException {
    return send(
        request(path)
            .method(method, HttpRequest.BodyPublishers.ofString(body))
            .headers(
                headers.length > 0
                    ? headers
                    : new String[] {
                      "Authorization", "Bearer " + TOKEN, "Content-Type", "application/json"
                    }));
  }

  private static void assertProblem(HttpResponse<byte[]> response, int status, String words)
      throws IOException {
    JsonNode problem = JSON.readTree(response.body());
    assertThat(response.statusCode()).as(problem.toString()).isEqualTo(status);
    assertThat(response.headers().firstValue("Content-Type")).contains("application/problem+json");
    assertFits(problem, document.at("/components/schemas/Problem"));
    assertThat(problem.get("status").intValue()).isEqualTo(status);
    assertThat(problem.get("detail").textValue()).contains(words);
  }

  private static void assertFits(JsonNode answer, JsonNode schema) {
    ObjectNode whole = schema.deepCopy();
    whole.set("components", document.get("components"));
    assertThat(
            JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
                .getSchema(whole)
                .validate(answer))
        .as(answer.toString())
        .isEmpty();
  }

  @Test
  void everyJsonAnswerFitsTheDocument() throws IOException {
    pool.output("alias", "set", "documented", Long.toString(release));
    awaitJson("/v1/aliases", aliases -> aliases.toString().contains("documented"));
    await()
        .atMost(PATIENCE)
        .until(() -> send(request("/v1/releases/newest/similarity")).statusCode() == 200);
    int checked = 0;
    for (Map.Entry<String, JsonNode> path : document.get("paths").properties()) {
      JsonNode schema = path.getValue().at("/get/responses/200/content/application~1json/schema");
      if (!schema.isMissingNode()) {
        String asked =
            path.getKey()
                .replace("{model}", "a")
                .replace("{release}", "newest")
                .replace("{alias}", "documented");
        assertFits(json(asked), schema);
        checked++;
      }
    }
    assertThat(checked).isEqualTo(12);
  }

  private static JsonNode awaitJson(String path, Predicate<JsonNode> condition) {
    JsonNode[] found = new JsonNode[1];
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              found[0] = json(path);
              return condition.test(found[0]);
            });
    return found[0];
  }

  @Test
  void modelsAndPoolAreAsTheCommandsSay() throws IOException {
    JsonNode models = json("/v1/models").get("models");
    assertThat(models.findValuesAsText("name")).containsExactly("a", "b", "base");
    JsonNode a = models.get(0);
    assertThat(a.get("state").textValue()).isEqualTo("READY");
    assertThat(a.at("/checkpoint/present").intValue()).isEqualTo(2);
    assertThat(a.at("/fisher/sealed").intValue()).isEqualTo(2);
    assertThat(a.get("merged_in").longValue())
        .isEqualTo(json("/v1/pool").get("newest_release").longValue());
    assertThat(models.get(2).get("role").textValue()).isEqualTo("BASE");
    assertThat(json("/v1/models/a").get("models")).hasSize(1);
    JsonNode summary = json("/v1/pool");
    assertThat(summary.get("waiting").booleanValue()).isFalse();
    assertThat(summary.get("models").intValue()).isEqualTo(2);
    assertThat(summary.get("stages").findValuesAsText("stage"))
        .containsExactly("gradient", "merge", "coordinator");
    assertThat(summary.at("/stages/1/instances/0/partitions").intValue()).isPositive();
    assertThat(summary.get("topics").findValuesAsText("topic"))
        .contains("models", "checkpoint-shards", "releases");
    assertProblem(get("/v1/models/c", 404), 404, "pool pool has no model c; it has [a, b, base]");
  }

  @Test
  void releasesAndAliasesAreTheCommandsJson() throws IOException {
    String set = pool.output("alias", "set", "stable", Long.toString(release));
    assertThat(set).contains("stable");
    awaitJson("/v1/aliases", aliases -> aliases.toString().contains("stable"));
    List<JsonNode> printed =
        pool.output("releases", "--json")
            .lines()
            .map(
                line -> {
                  try {
                    return JSON.readTree(line);
                  } catch (IOException e) {
                    throw new AssertionError(e);
                  }
                })
            .toList();
    awaitJson("/v1/releases", answer -> List.copyOf(list(answer.get("releases"))).equals(printed));
    JsonNode first = json("/v1/releases?limit=1&before=2").get("releases");
    assertThat(first).hasSize(1);
    assertThat(first.get(0)).isEqualTo(printed.get(0));
    assertThat(json("/v1/releases/stable")).isEqualTo(json("/v1/releases/" + release));
    assertThat(
            JSON.readTree(
                pool.output("alias", "--json")
                    .lines()
                    .filter(l -> l.contains("stable"))
                    .findFirst()
                    .orElseThrow()))
        .isEqualTo(json("/v1/aliases/stable"));
    assertProblem(get("/v1/releases/999", 404), 404, "there is no release 999");
    assertProblem(
        get("/v1/releases/nobody", 404), 404, "'nobody' is neither a release's id nor an alias");
    assertProblem(get("/v1/releases?limit=0", 400), 400, "limit is '0', expected a whole number");
  }

  private static List<JsonNode> list(JsonNode array) {
    List<JsonNode> list = new ArrayList<>();
    array.forEach(list::add);
    return list;
  }

  @Test
  void sharesFromSumsAreThoseFromTheFishersThemselves() throws IOException {
    Path file = directory.resolve("similarity.json");
    long id = json("/v1/pool").get("newest_release").longValue();
    pool.output("similarity", "--release", Long.toString(id), "--json", file.toString());
    JsonNode expected = JSON.readTree(file.toFile());
    awaitJsonStatus("/v1/releases/" + id + "/similarity");
    assertThat(json("/v1/releases/" + id + "/similarity")).isEqualTo(expected);
    JsonNode shares = json("/v1/releases/" + id + "/shares");
    assertThat(shares.get("models")).isEqualTo(expected.get("models"));
    assertThat(shares.get("layers").findValuesAsText("layer")).containsExactly("h.0", "h.1");
    for (int layer = 0; layer < 2; layer++) {
      for (int model = 0; model < 2; model++) {
        assertThat(shares.get("layers").get(layer).get("share").get(model).doubleValue())
            .isCloseTo(
                expected.get("layers").get(layer).get("share").get(model).doubleValue(),
                within(1e-12));
      }
    }
  }

  private static void awaitJsonStatus(String path) {
    await().atMost(PATIENCE).until(() -> send(request(path)).statusCode() == 200);
  }

  @Test
  void aReleaseIsDownloadedWholeAndInPartsAsExportWritesIt() throws IOException {
    Path exported = directory.resolve("exported.safetensors");
    pool.output("export", "--release", Long.toString(release), "--output", exported.toString());
    byte[] whole = Files.readAllBytes(exported);
    String path = "/v1/releases/" + release + "/safetensors";
    HttpResponse<byte[]> all = get(path, 200);
    assertThat(all.body()).isEqualTo(whole);
    String etag = all.headers().firstValue("ETag").orElseThrow();
    HttpResponse<byte[]> part = get(path, 206, "Range", "bytes=3-9", "If-Range", etag);
    assertThat(part.body()).isEqualTo(Arrays.copyOfRange(whole, 3, 10));
    assertThat(part.headers().firstValue("Content-Range")).contains("bytes 3-9/" + whole.length);
    assertThat(get(path, 206, "Range", "bytes=-4").body())
        .isEqualTo(Arrays.copyOfRange(whole, whole.length - 4, whole.length));
    assertThat(get(path, 200, "Range", "bytes=3-9", "If-Range", "\"other\"").body())
        .isEqualTo(whole);
    assertThat(get(path, 304, "If-None-Match", etag).body()).isEmpty();
    HttpResponse<byte[]> behind = get(path, 416, "Range", "bytes=" + whole.length + "-");
    assertThat(behind.headers().firstValue("Content-Range")).contains("bytes */" + whole.length);
    HttpResponse<byte[]> head =
        send(request(path).method("HEAD", HttpRequest.BodyPublishers.noBody()));
    assertThat(head.statusCode()).isEqualTo(200);
    assertThat(head.headers().firstValueAsLong("Content-Length")).hasValue(whole.length);
  }

  @Test
  void aTensorIsDownloadedAsAFileOfItsOwn() throws IOException {
    Path exported = directory.resolve("with-a-tensor.safetensors");
    pool.output("export", "--release", Long.toString(release), "--output", exported.toString());
    String path = "/v1/releases/" + release + "/tensors";
    JsonNode listed = json(path).get("tensors");
    assertThat(listed.findValuesAsText("name")).containsExactly("h.0.weight", "h.1.weight");
    Path one = directory.resolve("one.safetensors");
    Files.write(one, get(path + "/h.1.weight", 200).body());
    try (Checkpoint expected = Checkpoint.open(exported);
        Checkpoint found = Checkpoint.open(one)) {
      assertThat(found.tensors().keySet()).containsExactly("h.1.weight");
      assertThat(found.hasSameBytes("h.1.weight", expected, "h.1.weight")).isTrue();
    }
    assertProblem(get(path + "/h.2.weight", 404), 404, "the release has no tensor h.2.weight");
  }

  @Test
  void changesAreMadeAndSeenAsEvents() throws Exception {
    Queue<String> lines = new ConcurrentLinkedQueue<>();
    HttpResponse<Stream<String>> events =
        CLIENT.send(request("/v1/events").build(), HttpResponse.BodyHandlers.ofLines());
    Thread reader =
        new Thread(
            () -> {
              try {
                events.body().forEach(lines::add);
              } catch (UncheckedIOException e) {
                lines.add("end");
              }
            });
    reader.start();
    awaitEvent(lines, "pool.changed");
    assertProblem(get("/v1/events", 503), 503, "1 clients listen already");

    HttpResponse<byte[]> weight = change("POST", "/v1/models/a/weight", "{\"coefficient\": 0.25}");
    assertThat(weight.statusCode()).as(new String(weight.body(), UTF_8)).isEqualTo(202);
    assertFits(JSON.readTree(weight.body()), document.at("/components/schemas/Change"));
    awaitEvent(lines, "model.changed");
    Release weighted =
        pool.awaitRelease(
            "the weight",
            r ->
                r.getStatus() == ReleaseStatus.COMPLETE
                    && r.getPlan().getModels().get(0).getCoefficient() == 0.25);
    awaitEvent(lines, "release.complete");
    HttpResponse<byte[]> alias =
        change(
            "PUT",
            "/v1/aliases/production",
            "{\"release\": " + weighted.getRelease() + ", \"hold\": true}");
    assertThat(alias.statusCode()).as(new String(alias.body(), UTF_8)).isEqualTo(200);
    assertThat(JSON.readTree(alias.body()).get("held").booleanValue()).isTrue();
    awaitEvent(lines, "alias.moved");
    assertThat(awaitJson("/v1/aliases", a -> a.toString().contains("production"))).isNotNull();

    publish("c", 2);
    awaitJson("/v1/models", models -> models.findValuesAsText("name").contains("c"));
    assertThat(change("POST", "/v1/models/c/withdraw", "").statusCode()).isEqualTo(202);
    awaitEvent(lines, "model.withdrawn");
    awaitJson("/v1/models", models -> !models.findValuesAsText("name").contains("c"));

    try (Producer<byte[], byte[]> producer = pool.kafka.newProducer()) {
      producer
          .send(
              new ProducerRecord<>(
                  pool.topics.models().name(),
                  SECRET.getBytes(UTF_8),
                  "no manifest".getBytes(UTF_8)))
          .get();
    }
    awaitEvent(lines, "dead_letter.added");
    JsonNode letter =
        awaitJson("/v1/dead-letters?limit=1", letters -> letters.get("total").longValue() > 0)
            .get("dead_letters")
            .get(0);
    assertThat(letter.get("reason").textValue()).contains("wire format");
    assertThat(letter.at("/origin/key").textValue()).isEqualTo("***");
    assertThat(letter.at("/origin/topic").textValue()).isEqualTo("pool.models");
    assertThat(String.join("\n", lines)).doesNotContain(SECRET);
    for (String line : lines) {
      if (line.startsWith("data: ")) {
        assertFits(
            JSON.readTree(line.substring("data: ".length())),
            document.at("/components/schemas/Event"));
      }
    }
    change("POST", "/v1/models/a/weight", "{\"coefficient\": null}");
    events.body().close();
  }

  private static void awaitEvent(Queue<String> lines, String type) {
    await().atMost(PATIENCE).until(() -> lines.contains("event: " + type));
  }

  /** What a command that fails prints, without the name of the program. */
  private static String sameAsTheCommand(String... line) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(bytes, true, UTF_8));
    try {
      assertThat(pool.run(line)).isEqualTo(1);
    } finally {
      System.setErr(before);
    }
    String printed = bytes.toString(UTF_8).strip();
    return printed.replaceFirst("^fisher-streams: ", "");
  }

  @Test
  void whoMayNotChangeChangesNothing() throws IOException {
    String weight = "/v1/models/a/weight";
    String body = "{\"coefficient\": 9}";
    HttpResponse<byte[]> none = change("POST", weight, body, "Content-Type", "application/json");
    assertProblem(none, 401, "in the header Authorization, after the word Bearer");
    assertThat(none.headers().firstValue("WWW-Authenticate")).contains("Bearer");
    for (String wrong : List.of("Bearer " + TOKEN + "x", "Bearer", "Basic " + TOKEN, TOKEN)) {
      HttpResponse<byte[]> answer =
          change("POST", weight, body, "Content-Type", "application/json", "Authorization", wrong);
      assertThat(answer.statusCode()).as(wrong).isEqualTo(401);
    }
    String bearer = "Bearer " + TOKEN;
    assertProblem(
        change(
            "POST",
            weight,
            body,
            "Content-Type",
            "application/json",
            "Authorization",
            bearer,
            "Origin",
            "https://evil.example.org"),
        403,
        "a page of another origin, https://evil.example.org, may not use this server");
    assertProblem(
        change("POST", weight, body, "Authorization", bearer, "Content-Type", "text/plain"),
        415,
        "the body's type is text/plain, expected application/json");
    assertProblem(
        change("POST", weight, "{\"coefficient\": 1, \"x\": \"" + "y".repeat(70_000) + "\"}"),
        413,
        "the body has more than 65536 bytes");
    assertProblem(change("POST", weight, "{"), 400, "the body is not JSON");
    assertProblem(change("POST", weight, "[]"), 400, "the body is not a JSON object");
    assertProblem(change("POST", weight, "{\"lambda\": 1}"), 400, "unknown key lambda");
    assertProblem(
        change("POST", weight, "{\"coefficient\": -1}"),
        409,
        sameAsTheCommand("weight", "a", "-1.0"));
    assertProblem(
        change("POST", weight, "{\"coefficient\": 1e31}"),
        400,
        "expected 0 or an absolute value from 1e-30 to 1e30");
    assertProblem(
        change("POST", "/v1/models/base/weight", body),
        409,
        "base is the pool's base model; only a fine-tuned model has a coefficient");
    assertProblem(change("POST", "/v1/models/x/withdraw", ""), 404, "has no model x");
    assertProblem(
        change("PUT", "/v1/aliases/x", "{\"release\": 999}"), 409, "there is no release 999");
    assertProblem(change("PUT", "/v1/aliases/3rd", "{\"release\": " + release + "}"), 409, "3rd");
    HttpResponse<byte[]> method = change("DELETE", "/v1/models/a", "");
    assertProblem(method, 405, "DELETE is not a method of this address");
    assertThat(method.headers().firstValue("Allow")).contains("GET");
    assertThat(json("/v1/models/a").at("/models/0/coefficient").doubleValue()).isNotEqualTo(9);
    ApiStage open = stage("open", Optional.empty(), 1);
    try {
      HttpResponse<byte[]> answer =
          send(
              HttpRequest.newBuilder(open.url().resolve(weight))
                  .header("Authorization", bearer)
                  .header("Content-Type", "application/json")
                  .POST(HttpRequest.BodyPublishers.ofString(body)));
      assertProblem(answer, 403, "no token is configured");
    } finally {
      open.close();
    }
  }

  @Test
  void aBrowserOfAnotherSiteGetsNothing() throws IOException {
    assertThat(raw("GET /v1/pool HTTP/1.1\r\nHost: evil.example.org:80\r\n"))
        .startsWith("HTTP/1.1 421 ")
        .contains("the Host header is 'evil.example.org:80'");
    assertThat(raw("GET /v1/pool HTTP/1.1\r\n")).doesNotContain("200 OK");
    assertThat(raw("GET /v1/%zz HTTP/1.1\r\nHost: localhost\r\n")).doesNotContain("200 OK");
    assertProblem(get("/v1/nothing", 404), 404, "there is no /v1/nothing");
    HttpResponse<byte[]> allowed = get("/v1/aliases", 200, "Origin", "https://ops.example.org");
    assertThat(allowed.headers().firstValue("Access-Control-Allow-Origin"))
        .contains("https://ops.example.org");
    HttpResponse<byte[]> own =
        get("/v1/aliases", 200, "Origin", "http://127.0.0.1:" + api.url().getPort());
    assertThat(own.headers().firstValue("Access-Control-Allow-Origin")).isEmpty();
    HttpResponse<byte[]> asked =
        send(
            request("/v1/aliases/production")
                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                .header("Origin", "https://ops.example.org"));
    assertThat(asked.statusCode()).isEqualTo(204);
    assertThat(asked.headers().firstValue("Access-Control-Allow-Methods")).contains("GET, PUT");
  }

  private static String raw(String head) throws IOException {
    URI url = api.url();
    try (Socket socket = new Socket(url.getHost(), url.getPort())) {
      socket.getOutputStream().write((head + "Connection: close\r\n\r\n").getBytes(UTF_8));
      try (InputStream in = socket.getInputStream()) {
        return new String(in.readAllBytes(), UTF_8);
      }
    }
  }

  @Test
  void thePagesFilesHaveAStrictPolicy() throws IOException {
    HttpResponse<byte[]> file = get("/of-a-test.html", 200);
    assertThat(new String(file.body(), UTF_8)).contains("a file of the page");
    assertThat(file.headers().firstValue("Content-Type")).contains("text/html; charset=utf-8");
    assertThat(file.headers().firstValue("Content-Security-Policy").orElseThrow())
        .startsWith("default-src 'self'; ")
        .doesNotContain("unsafe", "http", "*");
    assertThat(file.headers().firstValue("X-Content-Type-Options")).contains("nosniff");
    for (String path :
        List.of(
            "/none.html", "/../api/openapi.yaml", "/%2e%2e/api/x.json", "/a.class", "/x//y.js")) {
      assertThat(send(request(path)).statusCode()).as(path).isEqualTo(404);
    }
  }
}
