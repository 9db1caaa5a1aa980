package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.deploy.AccessRights.Right;
import io.fisherstreams.deploy.DeployCommands.Service;
import io.fisherstreams.local.EmbeddedRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the command line of every deployed service as a plain process, with its configuration, on a
 * broker with the settings of the deployment.
 */
class DeployCommandsIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final Path STRIMZI = Path.of("deploy", "strimzi");
  private static final String STORE_PASSWORD = "a-store-password";

  private static final Path EVALUATION =
      Path.of("src", "test", "resources", "conformance", "gradient", "gpt2");

  @TempDir static Path directory;
  private static EmbeddedRegistry registry;

  @BeforeAll
  static void start() {
    registry = EmbeddedRegistry.start();
  }

  @AfterAll
  static void stop() {
    registry.close();
  }

  @Test
  void everyComposeServiceRuns() throws Exception {
    String host = KafkaProcess.freeAddress();
    try (KafkaProcess broker = new KafkaProcess(directory.resolve("kafka"), compose(host), host)) {
      Path local = directory.resolve("compose");
      runAll(
          DeployCommands.all().stream()
              .filter(service -> service.file().equals(DeployCommands.COMPOSE))
              .toList(),
          local,
          config -> addresses(config, host));
      broker.requireRunning();
      // the host's configuration reaches the broker's listener for the host
      Running status =
          new Running(
              new Service(
                  DeployCommands.COMPOSE,
                  "host",
                  List.of("status", "--config", "host.yaml"),
                  "host.yaml",
                  Files.readString(DeployCommands.HOST)),
              local,
              config -> addresses(config, host));
      assertThat(status.process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(status.process.exitValue()).as(status::errors).isZero();
      assertThat(status.output()).contains("merge");
    }
  }

  /** The broker's environment in docker-compose.yml as the settings that the image makes of it. */
  private static Map<String, String> compose(String host) throws Exception {
    String services = KafkaProcess.freeAddress();
    String controller = KafkaProcess.freeAddress();
    Map<String, String> settings = new HashMap<>();
    JsonNode compose = Manifests.YAML.readTree(DeployCommands.COMPOSE.toFile());
    compose
        .at("/services/kafka/environment")
        .properties()
        .forEach(
            entry ->
                settings.put(
                    entry
                        .getKey()
                        .replaceFirst("KAFKA_", "")
                        .toLowerCase(Locale.ROOT)
                        .replace('_', '.'),
                    entry
                        .getValue()
                        .asText()
                        .replaceAll("(kafka)?:19092", services)
                        .replaceAll("(kafka)?:9093", controller)
                        .replaceAll("(localhost)?:9092", host)));
    return settings;
  }

  @Test
  void everyKubernetesServiceRunsAsItsOwnUserThroughTls() throws Exception {
    String internal = KafkaProcess.freeAddress();
    String clients = KafkaProcess.freeAddress();
    Path store = keyStore();
    try (KafkaProcess broker =
            new KafkaProcess(
                directory.resolve("secured"), strimzi(internal, clients, store), internal);
        Admin admin = Admin.create(Map.of("bootstrap.servers", internal))) {
      addUsers(admin);
      runAll(
          DeployCommands.all().stream()
              .filter(service -> service.file().startsWith(DeployCommands.KUBERNETES))
              .toList(),
          directory.resolve("kubernetes"),
          config -> addresses(config, clients));
      broker.requireRunning();
    }
  }

  /** The cluster of deploy/strimzi as one node. */
  private static Map<String, String> strimzi(String internal, String clients, Path store)
      throws Exception {
    String controller = KafkaProcess.freeAddress();
    Map<String, String> settings = new HashMap<>();
    JsonNode kafka = Manifests.in(STRIMZI, "Kafka").get(0).at("/spec/kafka");
    kafka
        .get("config")
        .properties()
        .forEach(
            entry ->
                settings.put(
                    entry.getKey(),
                    // one node cannot replicate
                    entry.getKey().matches(".*replication\\.factor|.*min\\.(isr|insync\\.replicas)")
                        ? "1"
                        : entry.getValue().asText()));
    assertThat(kafka.at("/authorization/type").asText()).isEqualTo("simple");
    assertThat(kafka.at("/listeners/0/authentication/type").asText()).isEqualTo("scram-sha-512");
    assertThat(kafka.at("/listeners/0/tls").asBoolean()).isTrue();
    settings.putAll(
        Map.of(
            "process.roles", "broker,controller",
            "node.id", "1",
            "controller.quorum.voters", "1@" + controller,
            "listeners",
                "INTERNAL://%s,CLIENTS://%s,CONTROLLER://%s"
                    .formatted(internal, clients, controller),
            "advertised.listeners", "INTERNAL://%s,CLIENTS://%s".formatted(internal, clients),
            "listener.security.protocol.map",
                "INTERNAL:PLAINTEXT,CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name", "INTERNAL",
            "controller.listener.names", "CONTROLLER"));
    settings.putAll(
        Map.of(
            "sasl.enabled.mechanisms", "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users", "User:ANONYMOUS",
            "ssl.keystore.type", "PKCS12",
            "ssl.keystore.location", store.toString(),
            "ssl.keystore.password", STORE_PASSWORD));
    return settings;
  }

  /** What the user operator does for every KafkaUser: password and rights. */
  private static void addUsers(Admin admin) throws Exception {
    for (JsonNode user : Manifests.in(STRIMZI, "KafkaUser")) {
      String name = user.at("/metadata/name").asText();
      admin
          .alterUserScramCredentials(
              List.of(
                  new UserScramCredentialUpsertion(
                      name,
                      new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096),
                      password(name))))
          .all()
          .get();
    }
    for (Right right : StrimziTest.rights()) {
      admin.createAcls(right.bindings("pool-" + right.principal())).all().get();
    }
  }

  private static String password(String user) {
    return user + "-password";
  }

  private static Path keyStore() throws Exception {
    Path store = directory.resolve("broker.p12");
    keytool(
        store, "-genkeypair", "-keyalg", "EC", "-dname", "CN=broker", "-ext", "san=ip:127.0.0.1");
    keytool(store, "-exportcert", "-rfc", "-file", directory.resolve("ca.crt").toString());
    return store;
  }

  private static void keytool(Path store, String... arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString()));
    command.addAll(List.of(arguments));
    command.addAll(
        List.of(
            "-alias",
            "broker",
            "-storetype",
            "PKCS12",
            "-keystore",
            store.toString(),
            "-storepass",
            STORE_PASSWORD));
    assertThat(new ProcessBuilder(command).inheritIO().start().waitFor()).isZero();
  }

  private static String addresses(String config, String servers) {
    return config
        .replaceAll("(?m)^bootstrap_servers: .*", "bootstrap_servers: " + servers)
        .replaceAll("(?m)^schema_registry: .*", "schema_registry: " + registry.url())
        .replaceAll("(?m)^replication_factor: .*", "replication_factor: 1")
        // the processes share one machine
        .replaceAll("(?m)^  port: .*", "  port: 0")
        .replace("/evaluation/task", EVALUATION.toAbsolutePath().toString());
  }

  /** The topics first, as both deployments order it; then all stages. */
  private static void runAll(List<Service> services, Path home, UnaryOperator<String> localised)
      throws Exception {
    List<Running> stages = new ArrayList<>();
    try {
      for (Service service : services) {
        if (service.arguments().contains("topics")) {
          Running topics = new Running(service, home, localised);
          assertThat(topics.process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
          assertThat(topics.process.exitValue()).as(topics::errors).isZero();
          assertThat(topics.output()).contains("created pool.checkpoint-shards");
        }
      }
      for (Service service : services) {
        if (service.arguments().contains("run")) {
          // one after another: a start takes all of a small machine's cores
          Running stage = new Running(service, home, localised);
          stages.add(stage);
          await()
              .atMost(PATIENCE)
              .until(() -> !stage.process.isAlive() || stage.output().contains("ready;"));
          assertThat(stage.process.isAlive()).as(stage::errors).isTrue();
        }
      }
      for (Running stage : stages) {
        stage.process.destroy();
      }
      for (Running stage : stages) {
        assertThat(stage.process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS))
            .as("%s ends on SIGTERM", stage.service)
            .isTrue();
        assertThat(stage.errors()).doesNotContain(" ERROR ");
      }
    } finally {
      stages.forEach(stage -> stage.process.destroyForcibly());
    }
  }

  private static final class Running {
    private final Service service;
    private final Process process;
    private final Path out;
    private final Path err;

    Running(Service service, Path parent, UnaryOperator<String> localised) throws IOException {
      this.service = service;
      Path home = Files.createDirectories(parent.resolve(service.name()));
      out = home.resolve("out");
      err = home.resolve("err");
      Path config =
          Files.writeString(
              home.resolve("config.yaml"),
              localised
                  .apply(service.config())
                  .replaceAll(
                      "(?m)^state_directory: .*", "state_directory: " + home.resolve("state")));
      for (Map.Entry<String, String> file : service.files().entrySet()) {
        Files.writeString(
            home.resolve(file.getKey()),
            file.getValue()
                .replace("/etc/fisher-streams-ca", directory.toString())
                .replace("/etc/fisher-streams-user", home.resolve("user").toString()));
      }
      if (!service.user().isEmpty()) {
        // the Secret that the user operator makes
        Files.writeString(
            Files.createDirectories(home.resolve("user")).resolve("sasl.jaas.config"),
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";"
                .formatted(service.user(), password(service.user())));
      }
      List<String> command =
          new ArrayList<>(
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx512m",
                  "-XX:TieredStopAtLevel=1", // a process that lives for seconds
                  "-Duser.home=/proc/read-only-root",
                  "-Djava.io.tmpdir=" + Files.createDirectories(home.resolve("tmp")),
                  "-cp",
                  System.getProperty("java.class.path"),
                  "io.fisherstreams.cli.Main"));
      command.addAll(service.argumentsWith(config));
      ProcessBuilder builder =
          new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
      builder.environment().put("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
      process = builder.start();
    }

    String output() {
      return read(out);
    }

    String errors() {
      return service + "\n" + read(err);
    }

    private static String read(Path file) {
      try {
        return Files.readString(file);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
