package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Expected replies and codes are those of Confluent's API reference. */
class EmbeddedRegistryTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String ONE_FIELD = record("{'name':'a','type':'string'}");
  private static final String WITH_DEFAULT =
      record("{'name':'a','type':'string'},{'name':'b','type':'int','default':0}");
  private static final String WITHOUT_DEFAULT =
      record("{'name':'a','type':'string'},{'name':'b','type':'int'}");

  @TempDir Path directory;
  private final HttpClient http = HttpClient.newHttpClient();
  private EmbeddedRegistry registry;

  @BeforeEach
  void start() {
    registry = EmbeddedRegistry.start(directory, 0);
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  @Test
  void givesOneSchemaOneIdUnderAllSubjects() throws Exception {
    int id = register("one-value", ONE_FIELD);
    assertThat(register("one-value", ONE_FIELD)).isEqualTo(id);
    assertThat(register("two-value", ONE_FIELD)).isEqualTo(id);
    assertThat(register("two-value", WITH_DEFAULT)).isNotEqualTo(id);

    assertThat(get("/subjects").body).isEqualTo(JSON.readTree("[\"one-value\",\"two-value\"]"));
    assertThat(get("/subjects/two-value/versions").body).isEqualTo(JSON.readTree("[1,2]"));
    assertThat(get("/schemas/ids/" + id).body.get("schema").textValue()).isEqualTo(ONE_FIELD);
    assertThat(get("/schemas/ids/" + id + "/subjects").body)
        .isEqualTo(JSON.readTree("[\"one-value\",\"two-value\"]"));
    assertThat(get("/schemas/ids/" + id + "/versions").body)
        .hasSize(2)
        .contains(JSON.readTree("{\"subject\":\"two-value\",\"version\":1}"));
  }

  @Test
  void describesVersionsByNumberAndAsLatest() throws Exception {
    register("s", ONE_FIELD);
    int second = register("s", WITH_DEFAULT);
    JsonNode latest = get("/subjects/s/versions/latest").body;
    assertThat(latest.get("subject").textValue()).isEqualTo("s");
    assertThat(latest.get("version").intValue()).isEqualTo(2);
    assertThat(latest.get("id").intValue()).isEqualTo(second);
    assertThat(latest.get("schema").textValue()).isEqualTo(WITH_DEFAULT);
    assertThat(get("/subjects/s/versions/2").body).isEqualTo(latest);
    assertThat(post("/subjects/s", schema(WITH_DEFAULT)).body).isEqualTo(latest);
  }

  @Test
  void keepsSchemasIdsAndRulesWithItsDirectory() throws Exception {
    int first = register("s", ONE_FIELD);
    int second = register("s", WITH_DEFAULT);
    put("/config/s", "{\"compatibility\":\"FULL_TRANSITIVE\"}");
    registry.close();

    registry = EmbeddedRegistry.start(directory, 0);
    assertThat(register("s", ONE_FIELD)).isEqualTo(first);
    assertThat(get("/subjects/s/versions/2").body.get("id").intValue()).isEqualTo(second);
    assertThat(get("/config/s").body.get("compatibilityLevel").textValue())
        .isEqualTo("FULL_TRANSITIVE");
    assertThat(register("t", record(""))).isGreaterThan(second);
  }

  @Test
  void leavesItsFileAsItWasWhenASchemaIsRejected() throws Exception {
    register("s", ONE_FIELD);
    byte[] before = Files.readAllBytes(directory.resolve("schemas.json"));
    assertThat(post("/subjects/s/versions", schema(WITHOUT_DEFAULT)).status).isEqualTo(409);
    assertThat(directory.resolve("schemas.json")).hasBinaryContent(before);
  }

  @Test
  void rejectsAFileThatIsNotItsOwn() throws Exception {
    Path other = Files.createDirectories(directory.resolve("other"));
    Files.writeString(other.resolve("schemas.json"), "{\"schemas\": 7");
    assertThatThrownBy(() -> EmbeddedRegistry.start(other, 0))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(other.resolve("schemas.json").toString());
  }

  @Test
  void rejectsATakenPort() {
    int port = URI.create(registry.url()).getPort();
    assertThatThrownBy(() -> EmbeddedRegistry.start(directory, port))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("port " + port);
  }

  // The rules as Confluent documents them: BACKWARD, the new schema reads old data, so fields may
  // be dropped and added with a default; FORWARD, old schemas read new data, so fields may be
  // added and dropped if they had a default; FULL, both.
  @ParameterizedTest
  @CsvSource({
    "NONE, ADD, true",
    "NONE, DROP, true",
    "BACKWARD, ADD, false",
    "BACKWARD, ADD_DEFAULT, true",
    "BACKWARD, DROP, true",
    "FORWARD, ADD, true",
    "FORWARD, ADD_DEFAULT, true",
    "FORWARD, DROP, false",
    "FULL, ADD, false",
    "FULL, ADD_DEFAULT, true",
    "FULL, DROP, false",
    "FULL_TRANSITIVE, ADD_DEFAULT, true",
    "FULL_TRANSITIVE, DROP, false"
  })
  void appliesTheSubjectsRule(String rule, String change, boolean compatible) throws Exception {
    String before = change.equals("DROP") ? WITHOUT_DEFAULT : ONE_FIELD;
    String after =
        switch (change) {
          case "ADD" -> WITHOUT_DEFAULT;
          case "ADD_DEFAULT" -> WITH_DEFAULT;
          default -> ONE_FIELD;
        };
    register("s", before);
    assertThat(put("/config/s", "{\"compatibility\":\"" + rule + "\"}").status).isEqualTo(200);

    JsonNode check =
        post("/compatibility/subjects/s/versions/latest?verbose=true", schema(after)).body;
    assertThat(check.get("is_compatible").booleanValue()).isEqualTo(compatible);
    assertThat(check.get("messages").isEmpty()).isEqualTo(compatible);
    Reply registered = post("/subjects/s/versions", schema(after));
    assertThat(registered.status).isEqualTo(compatible ? 200 : 409);
    if (!compatible) {
      assertThat(registered.body.get("error_code").intValue()).isEqualTo(409);
      assertThat(registered.body.get("message").textValue()).contains("\"s\"", "/fields/");
    }
  }

  @Test
  void comparesWithEveryEarlierVersionOnlyWhenTransitive() throws Exception {
    // b: without a default, with one, dropped; the last cannot be read by the first's readers.
    put("/config/s", "{\"compatibility\":\"NONE\"}");
    register("s", WITHOUT_DEFAULT);
    register("s", WITH_DEFAULT);
    put("/config/s", "{\"compatibility\":\"FULL\"}");
    String path = "/compatibility/subjects/s/versions";
    assertThat(post(path, schema(ONE_FIELD)).body.get("is_compatible").booleanValue()).isTrue();
    put("/config/s", "{\"compatibility\":\"FULL_TRANSITIVE\"}");
    assertThat(post(path, schema(ONE_FIELD)).body.get("is_compatible").booleanValue()).isFalse();
  }

  @Test
  void startsWithBackwardAsConfluentDoes() throws Exception {
    assertThat(get("/config").body.get("compatibilityLevel").textValue()).isEqualTo("BACKWARD");
    assertThat(get("/config/s?defaultToGlobal=true").body.get("compatibilityLevel").textValue())
        .isEqualTo("BACKWARD");
  }

  @ParameterizedTest
  @CsvSource({
    "GET, /subjects/none/versions, 404, 40401",
    "GET, /subjects/s/versions/7, 404, 40402",
    "GET, /subjects/s/versions/zero, 422, 42202",
    "GET, /subjects/s/versions/0, 422, 42202",
    "GET, /schemas/ids/99, 404, 40403",
    "GET, /schemas/ids/-1, 404, 40403",
    "GET, /config/s, 404, 40408",
    "GET, /nonsense, 404, 404",
    "GET, /schemas/ids/x, 404, 404",
    "DELETE, /subjects/s/versions/1, 405, 405"
  })
  void answersWithConfluentsErrorCodes(String method, String path, int status, int code)
      throws Exception {
    register("s", ONE_FIELD);
    Reply reply = send(method, path, null);
    assertThat(reply.status).isEqualTo(status);
    assertThat(reply.body.get("error_code").intValue()).isEqualTo(code);
    assertThat(reply.body.get("message").textValue()).isNotBlank();
  }

  @Test
  void rejectsWhatIsNoAvroSchema() throws Exception {
    register("s", ONE_FIELD);
    assertThat(code(post("/subjects/s/versions", schema("{\"type\":\"nothing\"}"))))
        .isEqualTo(42201);
    assertThat(code(post("/subjects/s/versions", "{}"))).isEqualTo(42201);
    assertThat(code(post("/subjects/s/versions", "{\"schemaType\":\"JSON\",\"schema\":\"{}\"}")))
        .isEqualTo(42201);
    assertThat(code(post("/subjects/s", schema(WITH_DEFAULT)))).isEqualTo(40403);
    assertThat(code(post("/subjects/none", schema(ONE_FIELD)))).isEqualTo(40401);
    assertThat(code(put("/config", "{\"compatibility\":\"SIDEWAYS\"}"))).isEqualTo(42203);
    assertThat(code(post("/subjects/s/versions", "not json"))).isEqualTo(400);
  }

  @Test
  void takesSubjectsOfAnyCharacters() throws Exception {
    int id = register("pool%2Fa+b%20c-value", ONE_FIELD);
    assertThat(get("/subjects").body).isEqualTo(JSON.readTree("[\"pool/a+b c-value\"]"));
    assertThat(get("/schemas/ids/" + id + "/subjects").body)
        .isEqualTo(JSON.readTree("[\"pool/a+b c-value\"]"));
  }

  @Test
  void aDeletedSubjectIsGoneAndItsSchemasKeepTheirIds() throws Exception {
    int id = register("one-value", ONE_FIELD);
    register("one-value", WITH_DEFAULT);
    put("/config/one-value", "{\"compatibility\":\"NONE\"}");
    Reply deleted = send("DELETE", "/subjects/one-value", null);
    assertThat(deleted.status).isEqualTo(200);
    assertThat(deleted.body).isEqualTo(JSON.readTree("[1,2]"));
    assertThat(get("/subjects").body).isEmpty();
    assertThat(code(get("/config/one-value"))).isEqualTo(40408);
    assertThat(get("/schemas/ids/" + id).body.get("schema").textValue()).isEqualTo(ONE_FIELD);
    assertThat(code(send("DELETE", "/subjects/one-value", null))).isEqualTo(40401);
    assertThat(register("one-value", WITHOUT_DEFAULT)).as("no earlier version").isPositive();
  }

  private int register(String subject, String schema) throws Exception {
    Reply reply = post("/subjects/" + subject + "/versions", schema(schema));
    assertThat(reply.status).as(reply.body.toString()).isEqualTo(200);
    return reply.body.get("id").intValue();
  }

  private static int code(Reply reply) {
    return reply.body.get("error_code").intValue();
  }

  private static String record(String fields) {
    return ("{'type':'record','name':'R','namespace':'n','fields':[" + fields + "]}")
        .replace('\'', '"');
  }

  private static String schema(String schema) throws IOException {
    return JSON.writeValueAsString(Map.of("schema", schema));
  }

  private Reply get(String path) throws Exception {
    return send("GET", path, null);
  }

  private Reply post(String path, String body) throws Exception {
    return send("POST", path, body);
  }

  private Reply put(String path, String body) throws Exception {
    return send("PUT", path, body);
  }

  private Reply send(String method, String path, String body) throws Exception {
    HttpResponse<byte[]> response =
        http.send(
            HttpRequest.newBuilder(URI.create(registry.url() + path))
                .header("Content-Type", "application/vnd.schemaregistry.v1+json")
                .method(
                    method,
                    body == null
                        ? HttpRequest.BodyPublishers.noBody()
                        : HttpRequest.BodyPublishers.ofString(body))
                .build(),
            HttpResponse.BodyHandlers.ofByteArray());
    assertThat(response.headers().firstValue("Content-Type"))
        .contains("application/vnd.schemaregistry.v1+json");
    return new Reply(response.statusCode(), JSON.readTree(response.body()));
  }

  private record Reply(int status, JsonNode body) {}
}
