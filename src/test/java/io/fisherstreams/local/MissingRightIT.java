package io.fisherstreams.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.cli.Main;
import io.fisherstreams.record.PoolTopics;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A broker with access control: messages name the right that is missing, and nothing loops. */
class MissingRightIT {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized");

  @TempDir private Path directory;
  private EmbeddedBroker broker;
  private EmbeddedRegistry registry;
  private Path root;
  private Path alice;

  @BeforeEach
  void start() throws IOException {
    broker =
        EmbeddedBroker.start(
            directory.resolve("kafka"),
            0,
            PoolTopics.MAX_DEAD_LETTER_BYTES,
            Map.of(
                "listener.security.protocol.map",
                "CLIENTS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
                "sasl.enabled.mechanisms",
                "PLAIN",
                "sasl.mechanism.inter.broker.protocol",
                "PLAIN",
                "listener.name.clients.plain.sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required"
                    + " username=\"root\" password=\"root-pass\" user_root=\"root-pass\""
                    + " user_alice=\"alice-pass\";",
                "authorizer.class.name",
                StandardAuthorizer.class.getName(),
                "super.users",
                "User:root;User:ANONYMOUS")); // the controller's listener is its own
    registry = EmbeddedRegistry.start();
    root = client("root");
    alice = client("alice");
    assertThat(said(root, 0, "topics", "create", "--partitions", "1")).isEmpty();
  }

  @AfterEach
  void stop() {
    registry.close();
    broker.close();
  }

  private Path client(String user) throws IOException {
    return Files.writeString(
        directory.resolve(user + ".properties"),
        """
        security.protocol=SASL_PLAINTEXT
        sasl.mechanism=PLAIN
        sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
        username="%s" password="%s-pass";
        """
            .formatted(user, user));
  }

  private void allowAlice(ResourceType type, String prefix, AclOperation... operations)
      throws Exception {
    Properties settings = new Properties();
    try (var lines = Files.newBufferedReader(root)) {
      settings.load(lines);
    }
    settings.put("bootstrap.servers", broker.bootstrapServers());
    ResourcePattern pattern = new ResourcePattern(type, prefix, PatternType.PREFIXED);
    try (Admin admin = Admin.create(settings)) {
      admin
          .createAcls(
              Stream.of(operations)
                  .map(
                      operation ->
                          new AclBinding(
                              pattern,
                              new AccessControlEntry(
                                  "User:alice", "*", operation, AclPermissionType.ALLOW)))
                  .toList())
          .all()
          .get();
    }
  }

  private String said(Path client, int exit, String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(List.of("--bootstrap-servers", broker.bootstrapServers()));
    line.addAll(List.of("--schema-registry", registry.url()));
    line.addAll(List.of("--command-config", client.toString()));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(bytes, true, UTF_8));
    try {
      assertThat(Main.run(line.toArray(String[]::new))).isEqualTo(exit);
    } finally {
      System.setErr(before);
    }
    return bytes.toString(UTF_8);
  }

  private String client() {
    return "; this client is User:alice at " + broker.bootstrapServers() + "\n";
  }

  @Test
  @Timeout(300)
  void aMissingRightIsNamedWithPrincipalOperationAndResource() throws Exception {
    assertThat(said(alice, 1, "status"))
        .as("a topic that alice may not see")
        .contains("the right DESCRIBE on topic pool.models is missing, or there is no such topic")
        .endsWith(client());
    assertThat(said(root, 1, "status", "--pool", "nowhere"))
        .as("a topic that does not exist")
        .contains("topic nowhere.models does not exist")
        .endsWith(
            "topics create --pool nowhere --bootstrap-servers %s --schema-registry %s --command-config %s\n"
                .formatted(broker.bootstrapServers(), registry.url(), root));

    allowAlice(ResourceType.TOPIC, "pool.", AclOperation.DESCRIBE);
    assertThat(said(alice, 1, "status"))
        .contains("the right DESCRIBE_CONFIGS on the topics pool.* is missing")
        .endsWith(client());

    allowAlice(ResourceType.TOPIC, "pool.", AclOperation.DESCRIBE_CONFIGS);
    String[] run = {
      "run", "--stages", "merge", "--state-directory", directory.resolve("state").toString()
    };
    assertThat(said(alice, 1, run))
        .contains("the right READ on group pool-merge is missing")
        .endsWith(client());

    allowAlice(ResourceType.GROUP, "pool-", AclOperation.READ);
    assertThat(said(alice, 1, run)).contains("on the stage's changelog topics").endsWith(client());

    AclOperation[] changelogs = {
      AclOperation.CREATE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS
    };
    allowAlice(ResourceType.TOPIC, "pool-merge-", changelogs);
    assertThat(said(alice, 1, run)).contains("the right WRITE on the transactional ids");

    allowAlice(ResourceType.TRANSACTIONAL_ID, "pool-merge", AclOperation.WRITE);
    assertThat(said(alice, 1, run))
        .as("its own topics or the pool's, whichever it reads first")
        .containsPattern("the right READ on topic pool[.-]")
        .endsWith(client());

    allowAlice(ResourceType.TOPIC, "pool.", AclOperation.READ);
    String base = CASE.resolve("base.safetensors").toString();
    assertThat(said(alice, 1, "publish", "checkpoint", base, "--model", "base", "--base"))
        .as("what an idempotent producer needs")
        .contains("the right IDEMPOTENT_WRITE on the cluster, or WRITE on a topic, is missing");

    allowAlice(ResourceType.TOPIC, "pool.examples", AclOperation.WRITE);
    assertThat(said(alice, 1, "publish", "checkpoint", base, "--model", "base", "--base"))
        .contains("the right WRITE on topic pool.models is missing")
        .endsWith(client());
  }
}
