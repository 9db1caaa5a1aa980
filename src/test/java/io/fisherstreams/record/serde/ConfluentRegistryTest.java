package io.fisherstreams.record.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.local.EmbeddedRegistry;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.kafka.common.errors.SerializationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ConfluentRegistryTest {
  private static final Schema FIRST =
      SchemaBuilder.record("R").namespace("n").doc("kept").fields().requiredLong("a").endRecord();
  private static final Schema WITH_DEFAULT =
      SchemaBuilder.record("R")
          .namespace("n")
          .fields()
          .requiredLong("a")
          .optionalString("b")
          .endRecord();
  private static final Schema INCOMPATIBLE =
      SchemaBuilder.record("R")
          .namespace("n")
          .fields()
          .requiredLong("a")
          .requiredString("added")
          .endRecord();

  @TempDir Path directory;

  @Test
  void registersUnderFullTransitiveCompatibilityAndReadsBack() throws Exception {
    try (EmbeddedRegistry server = EmbeddedRegistry.start()) {
      SchemaRegistry registry = SchemaRegistry.connect(server.url(), Map.of());
      int first = registry.register("t-value", FIRST);
      int second = registry.register("t-value", WITH_DEFAULT);
      assertThat(registry.register("t-value", FIRST)).isEqualTo(first).isNotEqualTo(second);

      SchemaRegistry other = SchemaRegistry.connect(server.url(), Map.of());
      assertThat(other.byId(first)).isEqualTo(FIRST);
      assertThat(other.byId(first).getDoc()).isEqualTo("kept");
      assertThat(other.byId(second)).isEqualTo(WITH_DEFAULT);
      assertThat(get(server.url() + "/config/t-value"))
          .isEqualTo("{\"compatibilityLevel\":\"FULL_TRANSITIVE\"}");
    }
  }

  /** A one-shot merge then says one thing: that the registry cannot be reached. */
  @Test
  void whatWasNeverRegisteredIsNotNamedAsLeft() throws IOException {
    String url;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      url = "http://127.0.0.1:" + free.getLocalPort();
    }
    SchemaRegistry registry = SchemaRegistry.connect(url, Map.of(), Duration.ofMillis(1));
    assertThatThrownBy(() -> registry.register("t-value", FIRST))
        .hasMessageContaining("schema registry " + url + " cannot be reached");
    registry.delete("t-value");
    SchemaRegistry other = SchemaRegistry.connect(url, Map.of(), Duration.ofMillis(1));
    assertThatThrownBy(() -> other.delete("t-value"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("subject t-value of schema registry " + url + " is left");
  }

  @Test
  void rejectsAnIncompatibleSchemaNamingSubjectAndReason() {
    try (EmbeddedRegistry server = EmbeddedRegistry.start()) {
      SchemaRegistry registry = SchemaRegistry.connect(server.url(), Map.of());
      registry.register("t-value", FIRST);
      assertThatThrownBy(() -> registry.register("t-value", INCOMPATIBLE))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("n.R")
          .hasMessageContaining("t-value")
          .hasMessageContaining("READER_FIELD_MISSING_DEFAULT_VALUE")
          .hasMessageContaining("added");
    }
  }

  @Test
  void rejectsAnUnknownIdAsTheRecordsFault() {
    try (EmbeddedRegistry server = EmbeddedRegistry.start()) {
      SchemaRegistry registry = SchemaRegistry.connect(server.url(), Map.of());
      assertThatThrownBy(() -> registry.byId(77))
          .isInstanceOf(SerializationException.class)
          .hasMessageContaining("no schema of id 77");
    }
  }

  static Stream<Reply> unusableSchemas() {
    String deep = "{\\\"type\\\":\\\"array\\\",\\\"items\\\":".repeat(2_000);
    return Stream.of(
        reply(404, "{\"error_code\":40403,\"message\":\"none\"}"),
        reply(400, "{\"error_code\":400,\"message\":\"a negative id\"}"),
        reply(422, "{\"error_code\":42201,\"message\":\"an id of no schema\"}"),
        reply(200, "{\"schemaType\":\"JSON\",\"schema\":\"{}\"}"),
        reply(200, "{\"schemaType\":\"PROTOBUF\",\"schema\":\"message M {}\"}"),
        reply(200, "{\"schema\":\"{\\\"type\\\":\\\"nothing\\\"}\"}"),
        reply(200, "{\"schema\":\"" + deep + "\\\"int\\\"" + "}".repeat(2_000) + "\"}"),
        reply(200, "{\"schema\":\"[" + "\\\"int\\\",".repeat(50_000) + "\\\"int\\\"]\"}"));
  }

  @ParameterizedTest
  @MethodSource("unusableSchemas")
  void anIdWithoutAUsableSchemaIsTheRecordsFault(Reply answer) throws Exception {
    try (Script server = new Script(answer)) {
      SchemaRegistry registry = SchemaRegistry.connect(server.url(), Map.of());
      assertThatThrownBy(() -> registry.byId(77))
          .isInstanceOf(SerializationException.class)
          .hasMessageContaining("77")
          .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(1_000));
    }
  }

  @Test
  void aRegistryThatFailsForOneIdOnlyIsTheRecordsFault() throws Exception {
    Reply failure = reply(500, "{\"error_code\":50001,\"message\":\"store\"}");
    try (Script server =
        new Script(failure, reply(200, "{\"mode\":\"READWRITE\"}"), failure, failure)) {
      SchemaRegistry registry = ConfluentRegistry.connect(server.url(), Map.of(), Duration.ZERO);
      assertThatThrownBy(() -> registry.byId(77))
          .isInstanceOf(SerializationException.class)
          .hasMessageContaining("fails for schema id 77");
      assertThatThrownBy(() -> registry.byId(78))
          .as("the registry fails for everything")
          .isInstanceOf(ConfluentRegistry.Unreachable.class);
    }
  }

  @Test
  void waitsForARegistryThatIsDown() throws Exception {
    int port = freePort();
    SchemaRegistry registry = SchemaRegistry.connect("http://127.0.0.1:" + port, Map.of());
    CompletableFuture<Integer> id =
        CompletableFuture.supplyAsync(() -> registry.register("t-value", FIRST));
    assertThat(id).isNotDone();
    try (EmbeddedRegistry first = EmbeddedRegistry.start(directory, port)) {
      await().until(id::isDone);
      assertThat(registry.byId(id.get())).isEqualTo(FIRST);
      assertThat(first.url()).endsWith(":" + port);
    }
    // Known ids need no registry; the next unknown one waits for it again.
    assertThat(registry.byId(id.get())).isEqualTo(FIRST);
    CompletableFuture<Integer> next =
        CompletableFuture.supplyAsync(() -> registry.register("t-value", WITH_DEFAULT));
    try (EmbeddedRegistry again = EmbeddedRegistry.start(directory, port)) {
      await().until(next::isDone);
      assertThat(SchemaRegistry.connect(again.url(), Map.of()).byId(next.get()))
          .isEqualTo(WITH_DEFAULT);
    }
  }

  @Test
  void givesUpInTheEndWithoutBlamingTheRecord() throws Exception {
    SchemaRegistry registry =
        ConfluentRegistry.connect("http://127.0.0.1:" + freePort(), Map.of(), Duration.ZERO);
    assertThatThrownBy(() -> registry.byId(1))
        .isInstanceOf(SchemaRegistry.Unreachable.class)
        .isNotInstanceOf(SerializationException.class)
        .hasMessageContaining("cannot be reached");
  }

  @Test
  void triesAgainWhenTheServerFails() throws Exception {
    try (Script server =
        new Script(
            reply(500, "{\"error_code\":50001,\"message\":\"store\"}"),
            reply(429, "{\"error_code\":429,\"message\":\"slowly\"}"),
            reply(200, "{\"schema\":\"\\\"long\\\"\"}"))) {
      assertThat(SchemaRegistry.connect(server.url(), Map.of()).byId(1))
          .isEqualTo(Schema.create(Schema.Type.LONG));
    }
  }

  @Test
  void missingRightsStopTheStageAndBlameNoRecord() throws Exception {
    Reply rejection = reply(401, "{\"error_code\":401,\"message\":\"who are you\"}");
    try (Script server = new Script(rejection, rejection)) {
      SchemaRegistry registry = SchemaRegistry.connect(server.url(), Map.of());
      assertThatThrownBy(() -> registry.byId(1))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("who are you");
      assertThatThrownBy(() -> registry.register("t-value", FIRST))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("who are you");
    }
  }

  @Test
  void sendsTheCredentialsItIsGiven() throws Exception {
    try (Script server = new Script(reply(200, "{\"schema\":\"\\\"long\\\"\"}"))) {
      SchemaRegistry.connect(
              server.url(),
              Map.of(
                  "basic.auth.credentials.source", "USER_INFO",
                  "basic.auth.user.info", "alice:secret"))
          .byId(1);
      // RFC 7617: base64 of "alice:secret"
      assertThat(server.authorizations).containsExactly("Basic YWxpY2U6c2VjcmV0");
    }
  }

  @Test
  void takesNumbersAsTextFromAPropertiesFile() {
    try (EmbeddedRegistry server = EmbeddedRegistry.start()) {
      SchemaRegistry registry =
          SchemaRegistry.connect(
              server.url(),
              Map.of(
                  "http.connect.timeout.ms", "5000",
                  "http.read.timeout.ms", "5000",
                  "missing.id.cache.ttl.sec", "5"));
      assertThat(registry.byId(registry.register("t-value", FIRST))).isEqualTo(FIRST);
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      return socket.getLocalPort();
    }
  }

  private static String get(String url) throws Exception {
    return HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString())
        .body();
  }

  private record Reply(int status, String body) {}

  private static Reply reply(int status, String body) {
    return new Reply(status, body);
  }

  /** A server that gives these replies, one a request. */
  private static final class Script implements AutoCloseable {
    private final Queue<Reply> replies = new ConcurrentLinkedQueue<>();
    private final Queue<String> authorizations = new ConcurrentLinkedQueue<>();
    private final HttpServer server;

    Script(Reply... replies) throws IOException {
      this.replies.addAll(List.of(replies));
      server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
      server.createContext("/", this::answer);
      server.start();
    }

    String url() {
      return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    private void answer(HttpExchange exchange) throws IOException {
      try (exchange) {
        String authorization = exchange.getRequestHeaders().getFirst("Authorization");
        if (authorization != null) {
          authorizations.add(authorization);
        }
        Reply reply = replies.remove();
        byte[] body = reply.body().getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(reply.status(), body.length);
        exchange.getResponseBody().write(body);
      }
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }
}
