package io.fisherstreams.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseJson;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The scripts of {@code docs/examples/python} that act on a release, with servers of the test. */
class DeployExamplesTest {
  private static final Path SCRIPTS = Path.of("docs/examples/python");

  private record Request(String method, String path, byte[] body, Map<String, List<String>> head) {
    String text() {
      return new String(body, StandardCharsets.UTF_8);
    }

    String header(String name) {
      return head.getOrDefault(name, List.of("")).get(0);
    }
  }

  @TempDir private Path directory;
  private final List<Request> requests = new CopyOnWriteArrayList<>();
  private HttpServer server;

  @BeforeEach
  void start() throws IOException, InterruptedException {
    assumeTrue(hasPython(), "python3 is not installed");
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::answer);
    server.start();
  }

  @AfterEach
  void stop() {
    if (server != null) {
      server.stop(0);
    }
  }

  private static boolean hasPython() throws InterruptedException {
    try {
      return new ProcessBuilder("python3", "--version").start().waitFor() == 0;
    } catch (IOException e) {
      return false;
    }
  }

  /** MLflow's answers to what it knows; object storage answers a PUT without a body. */
  private void answer(HttpExchange exchange) throws IOException {
    Request request =
        new Request(
            exchange.getRequestMethod(),
            exchange.getRequestURI().getPath(),
            exchange.getRequestBody().readAllBytes(),
            Map.copyOf(exchange.getRequestHeaders()));
    requests.add(request);
    String answer =
        switch (request.path()) {
          case "/api/2.0/mlflow/registered-models/create" ->
              "{\"error_code\": \"RESOURCE_ALREADY_EXISTS\", \"message\": \"it is there\"}";
          case "/api/2.0/mlflow/model-versions/create" ->
              "{\"model_version\": {\"name\": \"cars\", \"version\": \"12\"}}";
          default -> "{}";
        };
    int status = answer.contains("error_code") ? 400 : request.path().contains("full") ? 507 : 200;
    byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  private String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private String run(int exit, String input, String script, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("python3", SCRIPTS.resolve(script).toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectInput(Files.writeString(directory.resolve("input"), input).toFile());
    builder.environment().put("MLFLOW_TRACKING_TOKEN", "a token");
    builder.environment().put("AWS_ACCESS_KEY_ID", "AKID");
    builder.environment().put("AWS_SECRET_ACCESS_KEY", "a secret");
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isEqualTo(exit);
    return output;
  }

  private static Release release(long id, ReleaseStatus status) {
    MergePlan plan =
        MergePlan.newBuilder()
            .setRelease(id)
            .setCreatedAt(Instant.EPOCH)
            .setCause("cars arrived")
            .setBaseModel("base")
            .setBaseVersion(1)
            .setMethod(MergeMethods.fisher(List.of(), true, 1e-6, null))
            .setRetired(List.of())
            .setLeftOut(List.of())
            .setModels(
                List.of(
                    new PlannedModel("cars", 4L, 1, 1.0, List.of(), 2.0, 2.0, 1L, 0.5, 0.25, 0.0)))
            .build();
    GateVerdict verdict =
        new GateVerdict(true, "so", 0.875, 0L, null, 0.1, List.of(), false, List.of(), List.of());
    return new Release(
        id, status, Instant.EPOCH, "", plan, List.of(), 1L, "00ff00ff00ff00ff", 0L, verdict);
  }

  @Test
  void aReleaseBecomesAVersionInMlflowsRegistry() throws Exception {
    String releases =
        String.join(
            "\n",
            ReleaseJson.text(release(2, ReleaseStatus.ABANDONED)),
            ReleaseJson.text(release(3, ReleaseStatus.COMPLETE)),
            "");
    assertThat(
            run(0, releases, "register_in_mlflow.py", url(), "cars", "s3://b/3", "3", "production"))
        .isEqualTo("release 3 is version 12 of cars\n");
    assertThat(requests)
        .extracting(Request::path)
        .containsExactly(
            "/api/2.0/mlflow/registered-models/create",
            "/api/2.0/mlflow/model-versions/create",
            "/api/2.0/mlflow/registered-models/alias");
    assertThat(requests)
        .allSatisfy(
            request -> {
              assertThat(request.method()).isEqualTo("POST");
              assertThat(request.header("Authorization")).isEqualTo("Bearer a token");
            });
    JsonNode version = new ObjectMapper().readTree(requests.get(1).body());
    assertThat(version.get("name").textValue()).isEqualTo("cars");
    assertThat(version.get("source").textValue()).isEqualTo("s3://b/3");
    assertThat(version.get("tags"))
        .extracting(tag -> tag.get("key").textValue() + "=" + tag.get("value").textValue())
        .containsExactly(
            "fisherstreams.release=3",
            "fisherstreams.checksum=00ff00ff00ff00ff",
            "fisherstreams.cause=cars arrived",
            "fisherstreams.accuracy=0.875",
            "fisherstreams.model.cars=4, share 0.2500");
    assertThat(requests.get(2).text())
        .isEqualTo("{\"name\": \"cars\", \"alias\": \"production\", \"version\": \"12\"}");

    requests.clear();
    assertThat(run(1, releases, "register_in_mlflow.py", url(), "cars", "s3://b/2", "2"))
        .isEqualTo("release 2 is not complete\n");
    assertThat(requests).isEmpty();
  }

  @Test
  void anExportIsCopiedWithTheConfigLast() throws Exception {
    Path export = Files.createDirectories(directory.resolve("merged/sub"));
    Files.writeString(export.resolve("a b.txt"), "more");
    Files.writeString(export.resolveSibling("config.json"), "{}");
    Files.writeString(export.resolveSibling("model.safetensors"), "tensors");
    String output =
        run(0, "", "copy_to_object_storage.py", directory + "/merged", url() + "/bucket/3/");
    assertThat(output.lines()).hasSize(3);
    assertThat(requests)
        .extracting(request -> request.method() + " " + request.path() + " " + request.text())
        .containsExactly(
            "PUT /bucket/3/model.safetensors tensors",
            "PUT /bucket/3/sub/a b.txt more",
            "PUT /bucket/3/config.json {}");
    // SHA-256 of "tensors" by: printf tensors | sha256sum
    assertThat(requests.get(0).header("X-amz-content-sha256"))
        .isEqualTo("26cc73f9fbf623d9a49bbf3f3d88f70195f2de68d7f25b5161f6700e6644cf44");
    assertThat(requests)
        .allSatisfy(
            request ->
                assertThat(request.header("Authorization"))
                    .matches(
                        "AWS4-HMAC-SHA256 Credential=AKID/\\d{8}/us-east-1/s3/aws4_request, "
                            + "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
                            + "Signature=[0-9a-f]{64}"));
    assertThat(run(1, "", "copy_to_object_storage.py", directory + "/merged", url() + "/full"))
        .contains("/full/model.safetensors: 507");
  }

  @Test
  void theScriptsThatThePagesShowExist() throws IOException {
    String page = Files.readString(Path.of("docs/webhooks.md"));
    for (String script : List.of("register_in_mlflow.py", "copy_to_object_storage.py")) {
      assertThat(page).contains(SCRIPTS + "/" + script);
      assertThat(SCRIPTS.resolve(script)).isExecutable();
    }
  }
}
