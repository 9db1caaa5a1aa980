package io.fisherstreams.local;

import static org.apache.kafka.common.acl.AclOperation.DESCRIBE_CONFIGS;
import static org.apache.kafka.common.acl.AclOperation.READ;
import static org.apache.kafka.common.acl.AclOperation.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.api.ApiStage;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.cli.Main;
import io.fisherstreams.coordinator.CoordinatorStage;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.StageLag;
import io.fisherstreams.deploy.AccessRights;
import io.fisherstreams.deploy.AccessRights.Right;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gate.GateStage;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.local.RecordingAuthorizer.Call;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.merge.MergeStage;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.record.ChangedBy;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseAliases;
import io.fisherstreams.tensor.TensorInfo;
import io.fisherstreams.webhook.Webhook;
import io.fisherstreams.webhook.WebhookStage;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The rights of {@code docs/security.md} on a broker that refuses everything else: all principals
 * live a pool's life, from the topics' creation to their deletion.
 */
class AccessRightsIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final String POOL = "pool";
  private static final String ADMIN = "admin";
  private static final String TOKEN = "a-token-of-a-test-0123456789";
  private static final Path EXAMPLES = Path.of("examples");

  @TempDir private Path directory;
  private final List<StageInstance> stages = new ArrayList<>();
  private List<Right> rights;
  private HttpServer receiver;
  private EmbeddedBroker broker;
  private EmbeddedRegistry registry;
  private Admin admin;
  private PoolTopics topics;
  private URI page;
  private Monitor monitor;

  @BeforeEach
  void start() throws Exception {
    rights = AccessRights.of(POOL);
    RecordingAuthorizer.forget();
    broker =
        EmbeddedBroker.start(
            directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES, secured());
    registry = EmbeddedRegistry.start();
    topics = new PoolTopics(POOL, SchemaRegistry.connect(registry.url(), Map.of()));
    admin = settings(ADMIN).admin();
    admin.createAcls(bindings()).all().get();
    receiver = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    receiver.createContext(
        "/",
        exchange -> {
          exchange.sendResponseHeaders(204, -1);
          exchange.close();
        });
    receiver.start();
  }

  @AfterEach
  void stop() {
    stages.forEach(StageInstance::close);
    receiver.stop(0);
    monitor.close();
    admin.close();
    registry.close();
    broker.close();
  }

  @Test
  void eachPrincipalWorksWithItsRightsAndNeedsEveryOneOfThem() throws Exception {
    succeeds("operator", "topics", "create", "--partitions", "2");
    startStages();
    publishThreeModels();
    liveThePoolsLife();
    assertThat(RecordingAuthorizer.takeRefused()).isEmpty();

    commandsAndStagesThatLackARightAreRefused();
    assertThat(RecordingAuthorizer.takeRefused()).isNotEmpty();

    stages.forEach(StageInstance::close);
    succeeds("operator", "topics", "check");
    succeeds("operator", "topics", "delete", "--yes");
    assertThat(RecordingAuthorizer.takeRefused()).isEmpty();
    assertThat(RecordingAuthorizer.calls())
        .extracting(Call::principal)
        .contains(principals().toArray(String[]::new));
    List<String> unneeded = new ArrayList<>();
    for (AclBinding right : bindings()) {
      String principal = right.entry().principal().replace("User:", "");
      if (!without(right, () -> RecordingAuthorizer.wouldRefuseOneOf(principal))) {
        unneeded.add(right.toString());
      }
    }
    assertThat(unneeded).as("rights that nothing needs").isEmpty();
  }

  private void commandsAndStagesThatLackARightAreRefused() throws Exception {
    isRefusedWithout("publisher", "pool.models", WRITE, "weight", "cars", "2");
    isRefusedWithout("publisher", "pool.checkpoint-shards", WRITE, checkpoint("late"));
    isRefusedWithout("trainer", "pool.examples", WRITE, examples("more"));
    isRefusedWithout("reader", "pool.releases", READ, "releases");
    isRefusedWithout("operator", "pool.alias-requests", WRITE, "alias", "remove", "mine");
    for (String stage : List.of("merge", "coordinator", "gradient")) {
      without(
          right(stage, "pool.", DESCRIBE_CONFIGS),
          () ->
              assertThatThrownBy(() -> stage(stage, directory.resolve("second-" + stage)))
                  .isInstanceOf(InvalidInput.class)
                  .hasMessageContaining("right"));
    }
    without(right("gate", "pool-gate", READ), () -> ends("gate"));
    without(right("webhooks", "pool-webhook-", READ), () -> ends("webhooks"));
  }

  private Optional<Throwable> ends(String stage) throws Exception {
    try (StageInstance instance = stage(stage, directory.resolve("second-" + stage))) {
      instance.start();
      Optional<Throwable> cause = instance.ended().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      assertThat(cause).hasValueSatisfying(e -> assertThat(e).hasMessageContaining("authoriz"));
      return cause;
    }
  }

  private void isRefusedWithout(
      String principal, String resource, AclOperation operation, String... command)
      throws Exception {
    int exit = without(right(principal, resource, operation), () -> run(principal, command));
    assertThat(exit).as(String.join(" ", command)).isEqualTo(1);
  }

  private AclBinding right(String principal, String resource, AclOperation operation) {
    return bindings().stream()
        .filter(b -> b.entry().principal().equals("User:" + principal))
        .filter(b -> b.pattern().name().equals(resource))
        .filter(b -> b.entry().operation() == operation)
        .findFirst()
        .orElseThrow();
  }

  /** Everything that the table names, so that each right is used. */
  private void liveThePoolsLife() throws Exception {
    for (String weight : List.of("0.3", "0.4", "0.5")) {
      succeeds("publisher", "weight", "cars", weight, "--wait");
    }
    await()
        .atMost(PATIENCE)
        .until(() -> new ReleaseAliases(settings(ADMIN), topics).all().containsKey("production"));
    rejected();
    // a model's Fisher that is sealed: the command reads why its records were rejected
    assertThat(run("trainer", gradients("10"))).isEqualTo(1);
    assertThat(run("publisher", gradients("20"))).isEqualTo(1);
    succeeds("reader", "status");
    succeeds("reader", "releases");
    succeeds("reader", "alias");
    succeeds("reader", "similarity");
    succeeds("reader", "dead-letters", "list");
    succeeds("reader", "export", "--output", directory.resolve("merged.safetensors").toString());
    succeeds("operator", "status");
    succeeds("operator", "weight", "cars", "0.6", "--wait");
    succeeds("operator", "alias", "set", "mine", "production", "--hold");
    assertThat(newestIsBy(topics.models(), "svhn")).isEqualTo("publisher");
    assertThat(newestIsBy(topics.models(), "cars")).isEqualTo("operator");
    assertThat(newestIsBy(topics.aliases(), "production")).isEqualTo("gate");
    assertThat(newestIsBy(topics.aliases(), "mine")).isEqualTo("operator");
    useTheApi();
    succeeds("operator", "withdraw", "more", "--wait");
    assertThat(newestIsBy(topics.models(), "more")).isEqualTo("operator");
    scale();
    // the next owner of a partition reads what is counted
    stages.remove(2).close();
    StageInstance next = stage("gradient", directory.resolve("next-gradient"));
    stages.add(next);
    next.start();
    succeeds("trainer", examples("svhn"));
    awaitRead();
  }

  private String newestIsBy(Topic<?, ?> topic, String key) {
    String[] by = new String[1];
    TopicReader.readRecords(
        settings(ADMIN),
        topic,
        (record, value) -> {
          if (record.key().equals(key)) {
            by[0] = ChangedBy.of(record.headers()).orElseThrow();
          }
        });
    return by[0];
  }

  private void publishThreeModels() throws Exception {
    succeeds("publisher", "publish", "checkpoint", path("base"), "--model", "base", "--base");
    succeeds("publisher", checkpoint("cars"));
    succeeds("publisher", "publish", "fisher", path("cars.fisher.safetensors"), "--model", "cars");
    succeeds("publisher", estimated("svhn"));
    succeeds("publisher", examples("svhn"));
    succeeds("publisher", estimated("more"));
    succeeds("trainer", examples("more"));
    succeeds(
        "publisher",
        "publish",
        "checkpoint",
        path("cars"),
        "--model",
        "squared",
        "--num-examples",
        "2");
    succeeds("trainer", gradients("0"));
  }

  private static String[] checkpoint(String model) {
    return new String[] {"publish", "checkpoint", path("cars"), "--model", model};
  }

  private static String[] estimated(String model) {
    return new String[] {
      "publish",
      "checkpoint",
      path("svhn"),
      "--model",
      model,
      "--estimator",
      "exact",
      "--num-examples",
      "64"
    };
  }

  private static String[] examples(String model) {
    return new String[] {
      "publish",
      "examples",
      path("svhn.examples.safetensors"),
      "--model",
      model,
      "--model-folder",
      path("svhn")
    };
  }

  private static String path(String example) {
    return EXAMPLES.resolve(example).toString();
  }

  private String[] gradients(String sequence) {
    return new String[] {
      "publish",
      "gradients",
      gradients(),
      "--model",
      "squared",
      "--source",
      "trainer-1",
      "--sequence",
      sequence,
      "--wait"
    };
  }

  /** Gradients of two examples: the values do not matter here. */
  private String gradients() {
    Path file = directory.resolve("gradients.safetensors");
    try (Checkpoint model = Checkpoint.open(EXAMPLES.resolve("cars"))) {
      List<TensorInfo> infos =
          model.tensors().values().stream()
              .map(
                  t ->
                      new TensorInfo(
                          t.name(),
                          t.dtype(),
                          Stream.concat(Stream.of(2L), t.shape().stream()).toList()))
              .toList();
      try (CheckpointWriter writer = CheckpointWriter.file(file, infos, Map.of())) {
        infos.forEach(t -> writer.write(t.name(), 0, ByteBuffer.allocate((int) t.elements() * 4)));
        writer.commit();
      }
    }
    return file.toString();
  }

  /** A record that is no Avro on every topic that clients write to. */
  private void rejected() throws Exception {
    try (Producer<byte[], byte[]> publisher = settings("publisher").newProducer();
        Producer<byte[], byte[]> operator = settings("operator").newProducer()) {
      byte[] bytes = "no record".getBytes(StandardCharsets.UTF_8);
      for (Topic<?, ?> topic :
          List.of(
              topics.models(),
              topics.checkpointShards(),
              topics.gradientBatches(),
              topics.examples())) {
        publisher.send(new ProducerRecord<>(topic.name(), 0, bytes, bytes)).get();
      }
      operator.send(new ProducerRecord<>(topics.aliasRequests().name(), 0, bytes, bytes)).get();
    }
    TopicPartition deadLetters = new TopicPartition(topics.deadLetters().name(), 0);
    await()
        .atMost(PATIENCE)
        .until(
            () ->
                admin
                        .listOffsets(Map.of(deadLetters, OffsetSpec.latest()))
                        .partitionResult(deadLetters)
                        .get()
                        .offset()
                    >= 5);
  }

  private void awaitRead() {
    await().atMost(PATIENCE).until(() -> StageLag.of(settings(ADMIN), POOL + "-gradient") == 0);
  }

  private void useTheApi() throws Exception {
    for (String path : List.of("pool", "models", "releases", "aliases", "dead-letters")) {
      answers("GET", path, "");
    }
    for (String part : List.of("shares", "tensors", "safetensors")) {
      answers("GET", "releases/production/" + part, "");
    }
    await()
        .atMost(PATIENCE)
        .until(() -> answers("GET", "releases/production/similarity", "") == 200);
    answers("POST", "models/cars/weight", "{\"coefficient\": 0.7}");
    answers("PUT", "aliases/shown", "{\"release\": \"production\"}");
    assertThat(newestIsBy(topics.aliases(), "shown")).isEqualTo("api");
  }

  private int answers(String method, String path, String body)
      throws IOException, InterruptedException {
    HttpResponse<String> response =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(page.resolve("/v1/" + path))
                    .method(method, HttpRequest.BodyPublishers.ofString(body))
                    .header("Authorization", "Bearer " + TOKEN)
                    .header("Content-Type", "application/json")
                    .build(),
                HttpResponse.BodyHandlers.ofString());
    assertThat(response.statusCode()).as(path + ": " + response.body()).isBetween(200, 299);
    return response.statusCode();
  }

  /** What KEDA asks for: ends and committed offsets. */
  private void scale() throws Exception {
    try (Admin scaler = settings("scaler").admin()) {
      TopicPartition examples = new TopicPartition(topics.examples().name(), 0);
      scaler.listOffsets(Map.of(examples, OffsetSpec.latest())).all().get();
      scaler.listConsumerGroupOffsets(POOL + "-gradient").all().get();
    }
  }

  private void startStages() throws IOException {
    for (String stage : List.of("merge", "coordinator", "gradient", "gate", "webhooks", "api")) {
      stages.add(stage(stage, directory.resolve(stage)));
    }
    stages.forEach(StageInstance::start);
  }

  private StageInstance stage(String name, Path own) throws IOException {
    KafkaSettings kafka = settings(name);
    return switch (name) {
      case "merge" ->
          MergeStage.create(kafka, topics, StreamsOptions.local(own, 1), MergeOptions.standard());
      case "coordinator" ->
          CoordinatorStage.create(
              kafka,
              topics,
              StreamsOptions.local(own, 1),
              // old releases soon go
              new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of()));
      case "gradient" ->
          GradientStage.create(
              kafka,
              topics,
              new GradientOptions(1024, Duration.ofMillis(100), Optional.empty()),
              own);
      case "gate" -> GateStage.create(kafka, topics, gate(), own);
      case "api" -> {
        monitor = new Monitor(POOL, directory);
        ApiStage api =
            ApiStage.create(
                kafka,
                topics,
                new ApiOptions(
                    "127.0.0.1",
                    0,
                    Optional.of(Files.writeString(directory.resolve("token"), TOKEN)),
                    List.of(),
                    List.of(),
                    1_000,
                    4,
                    8),
                Map.of("gate", POOL + "-gate", "webhook-chat", POOL + "-webhook-chat"),
                own,
                monitor);
        page = api.url();
        yield api;
      }
      default -> WebhookStage.create(kafka, topics, List.of(webhook()));
    };
  }

  private static GateOptions gate() {
    return new GateOptions(
        "production",
        1,
        8,
        false,
        List.of(
            new GateOptions.Task(
                "cars",
                EXAMPLES.resolve("cars"),
                EXAMPLES.resolve("cars.examples.safetensors"),
                Optional.empty(),
                Optional.empty(),
                OptionalInt.empty())));
  }

  private Webhook webhook() throws IOException {
    Path secret =
        Files.writeString(directory.resolve("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    return new Webhook(
        "chat",
        URI.create("http://localhost:" + receiver.getAddress().getPort()),
        Optional.empty(),
        Optional.of(secret),
        Webhook.TIMEOUT,
        Webhook.FIRST_WAIT,
        Webhook.MAX_WAIT);
  }

  private interface Work<T> {
    T run() throws Exception;
  }

  /** Takes a right away for a while. */
  private <T> T without(AclBinding right, Work<T> work) throws Exception {
    admin.deleteAcls(List.of(right.toFilter())).all().get();
    await()
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(5))
        .until(() -> RecordingAuthorizer.agree(right, false));
    try {
      return work.run();
    } finally {
      admin.createAcls(List.of(right)).all().get();
      await()
          .pollDelay(Duration.ZERO)
          .pollInterval(Duration.ofMillis(5))
          .until(() -> RecordingAuthorizer.agree(right, true));
    }
  }

  private List<AclBinding> bindings() {
    return rights.stream().flatMap(right -> right.bindings().stream()).toList();
  }

  private Set<String> principals() {
    return rights.stream().map(Right::principal).collect(Collectors.toSet());
  }

  private void succeeds(String principal, String... command) throws IOException {
    assertThat(run(principal, command)).as(principal + " " + String.join(" ", command)).isZero();
  }

  private int run(String principal, String... command) throws IOException {
    Path client =
        Files.write(
            directory.resolve(principal + ".properties"),
            client(principal).entrySet().stream()
                .map(e -> e.getKey() + "=" + e.getValue())
                .toList());
    Path config =
        Files.writeString(
            directory.resolve(principal + ".yaml"),
            """
            pool: %s
            bootstrap_servers: %s
            schema_registry: %s
            command_config: %s
            gate:
              alias: production
              tasks: [{name: cars, model: cars, examples: cars.examples.safetensors}]
            webhooks: [{name: chat, url: "http://localhost", secret_env: SECRET}]
            """
                .formatted(POOL, broker.bootstrapServers(), registry.url(), client));
    List<String> line = new ArrayList<>(List.of(command));
    line.addAll(List.of("--config", config.toString()));
    return Main.run(line.toArray(String[]::new));
  }

  private KafkaSettings settings(String principal) {
    return new KafkaSettings(broker.bootstrapServers(), client(principal));
  }

  private static Map<String, String> client(String principal) {
    return Map.of(
        "security.protocol", "SASL_PLAINTEXT",
        "sasl.mechanism", "PLAIN",
        "sasl.jaas.config", login(principal) + ";");
  }

  private static String login(String user) {
    return "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s-secret\""
        .formatted(user, user);
  }

  private Map<String, String> secured() {
    String users =
        Stream.concat(Stream.of(ADMIN, "broker"), principals().stream())
            .map(user -> " user_%s=\"%s-secret\"".formatted(user, user))
            .collect(Collectors.joining());
    return Map.of(
        "listener.security.protocol.map",
        "CLIENTS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms",
        "PLAIN",
        "sasl.mechanism.inter.broker.protocol",
        "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config",
        login("broker") + users + ";",
        "authorizer.class.name",
        RecordingAuthorizer.class.getName(),
        "super.users",
        "User:broker;User:ANONYMOUS;User:" + ADMIN);
  }
}
