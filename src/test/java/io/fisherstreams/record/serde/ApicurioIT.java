package io.fisherstreams.record.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.kafka.common.errors.SerializationException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Our registry adapter and serdes against a real registry server, Apicurio's. */
@Tag("faults")
class ApicurioIT {
  private static final Path SERVER = Path.of("target/interop/apicurio");
  private static final Path LOG = Path.of("target/interop/apicurio.log");
  private static final int JAVA_NEEDED = 21;

  private static Process process;
  private static String url;

  @BeforeAll
  static void start() throws Exception {
    assumeTrue(
        Files.exists(SERVER.resolve("quarkus-run.jar")),
        () -> "SKIPPED: no " + SERVER + "; run with mvn verify -Pfaults");
    Optional<Path> java = java();
    if (java.isEmpty()) {
      System.err.println("SKIPPED ApicurioIT: no Java " + JAVA_NEEDED + " or later is installed");
    }
    assumeTrue(java.isPresent(), "no Java " + JAVA_NEEDED + " or later is installed");
    int port = freePort();
    process =
        new ProcessBuilder(
                java.get().toString(),
                "-Xmx384m",
                "-Dquarkus.http.host=127.0.0.1",
                "-Dquarkus.http.port=" + port,
                "-Dquarkus.management.host=127.0.0.1",
                "-Dquarkus.management.port=" + freePort(),
                "-Dapicurio.storage.kind=sql",
                "-Dapicurio.storage.sql.kind=h2",
                "-jar",
                "quarkus-run.jar")
            .directory(SERVER.toFile())
            .redirectErrorStream(true)
            .redirectOutput(LOG.toFile())
            .start();
    url = "http://127.0.0.1:" + port + "/apis/ccompat/v7";
    await()
        .atMost(Duration.ofMinutes(2))
        .ignoreExceptions()
        .until(() -> !process.isAlive() || send("GET", "/subjects", null).statusCode() == 200);
    assertThat(process.isAlive()).as("Apicurio runs, see %s", LOG).isTrue();
  }

  @AfterAll
  static void stop() throws Exception {
    if (process != null) {
      process.destroy();
      process.waitFor();
    }
  }

  @Test
  void registersOurSchemasAndReadsThemBack() throws Exception {
    SchemaRegistry registry = SchemaRegistry.connect(url, Map.of());
    for (Schema schema :
        List.of(
            ModelManifest.getClassSchema(),
            CheckpointShard.getClassSchema(),
            GradientBatch.getClassSchema(),
            MergePlan.getClassSchema(),
            PartitionProgress.getClassSchema(),
            MergedTensor.getClassSchema(),
            Release.getClassSchema())) {
      String subject = "pool." + schema.getName() + "-value";
      int id = registry.register(subject, schema);
      assertThat(SchemaRegistry.connect(url, Map.of()).register(subject, schema)).isEqualTo(id);
      assertThat(SchemaRegistry.connect(url, Map.of()).byId(id)).isEqualTo(schema);
      assertThat(send("GET", "/config/" + subject, null).body()).contains("FULL_TRANSITIVE");
    }
  }

  @Test
  void carriesRecordsBetweenTwoClients() {
    CheckpointShard shard =
        new CheckpointShard("m", 3L, "w", 0, ByteBuffer.wrap(new byte[] {1, 2, 3}));
    byte[] bytes =
        AvroSerde.of(
                SchemaRegistry.connect(url, Map.of()),
                CheckpointShard.class,
                PoolTopics.MAX_RECORD_BYTES)
            .serializer()
            .serialize("carried", shard);
    assertThat(
            AvroSerde.of(
                    SchemaRegistry.connect(url, Map.of()),
                    CheckpointShard.class,
                    PoolTopics.MAX_RECORD_BYTES)
                .deserializer()
                .deserialize("carried", bytes))
        .isEqualTo(shard);
  }

  @Test
  void rejectsAnIncompatibleSchemaNamingTheSubject() {
    SchemaRegistry registry = SchemaRegistry.connect(url, Map.of());
    registry.register(
        "evolving-value",
        SchemaBuilder.record("R").namespace("n").fields().requiredLong("a").endRecord());
    assertThatThrownBy(
            () ->
                registry.register(
                    "evolving-value",
                    SchemaBuilder.record("R")
                        .namespace("n")
                        .fields()
                        .requiredLong("a")
                        .requiredLong("b")
                        .endRecord()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("evolving-value");
  }

  @Test
  void rejectsAnUnknownId() {
    assertThatThrownBy(() -> SchemaRegistry.connect(url, Map.of()).byId(987_654))
        .isInstanceOf(SerializationException.class);
  }

  private static HttpResponse<String> send(String method, String path, String body)
      throws Exception {
    return HttpClient.newHttpClient()
        .send(
            HttpRequest.newBuilder(URI.create(url + path))
                .header("Content-Type", "application/json")
                .method(
                    method,
                    body == null
                        ? HttpRequest.BodyPublishers.noBody()
                        : HttpRequest.BodyPublishers.ofString(body))
                .build(),
            HttpResponse.BodyHandlers.ofString());
  }

  private static Optional<Path> java() throws IOException {
    Path own = Path.of(System.getProperty("java.home"));
    Path installed = Path.of("/usr/lib/jvm");
    try (Stream<Path> others =
        Files.isDirectory(installed) ? Files.list(installed) : Stream.<Path>empty()) {
      return Stream.concat(Stream.of(own), others.sorted())
          .filter(home -> version(home) >= JAVA_NEEDED)
          .map(home -> home.resolve("bin").resolve("java"))
          .filter(Files::isExecutable)
          .findFirst();
    }
  }

  /** The major version that a JDK's {@code release} file gives, 0 when it has none. */
  private static int version(Path home) {
    Properties release = new Properties();
    try (var reader = Files.newBufferedReader(home.resolve("release"))) {
      release.load(reader);
    } catch (IOException e) {
      return 0;
    }
    String version = release.getProperty("JAVA_VERSION", "0").replace("\"", "");
    return Integer.parseInt(version.split("\\D")[0]);
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      return socket.getLocalPort();
    }
  }
}
