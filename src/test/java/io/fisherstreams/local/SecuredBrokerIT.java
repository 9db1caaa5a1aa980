package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.cli.Main;
import io.fisherstreams.record.PoolTopics;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A broker that wants TLS and a password: what {@code --command-config} says reaches every client.
 */
class SecuredBrokerIT {
  private static final String PASSWORD = "a-store-password";
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized/merge.yaml");

  @TempDir Path directory;

  @Test
  void aWholeMergeRunsThroughTlsAndSasl() throws Exception {
    Path store = keyStore();
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(
                directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES, secured(store));
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      Path merged = directory.resolve("merged.safetensors");

      assertThat(merge(broker, registry, merged, client(store, "alice-secret"))).isZero();
      Path local = directory.resolve("local.safetensors");
      assertThat(Main.run("merge", CASE.toString(), "--output", local.toString())).isZero();
      assertThat(merged).hasSameBinaryContentAs(local);

      Path rejected = directory.resolve("rejected.safetensors");
      PrintStream err = System.err;
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
      try {
        assertThat(merge(broker, registry, rejected, client(store, "wrong"))).isEqualTo(1);
      } finally {
        System.setErr(err);
      }
      assertThat(said.toString(StandardCharsets.UTF_8)).contains("Authentication failed");
      assertThat(rejected).doesNotExist();
    }
  }

  private static int merge(
      EmbeddedBroker broker, EmbeddedRegistry registry, Path output, Path client) {
    return Main.run(
        "merge",
        CASE.toString(),
        "--output",
        output.toString(),
        "--bootstrap-servers",
        broker.bootstrapServers(),
        "--schema-registry",
        registry.url(),
        "--command-config",
        client.toString());
  }

  private static Map<String, String> secured(Path store) {
    return Map.of(
        "listener.security.protocol.map",
        "CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms",
        "PLAIN",
        "sasl.mechanism.inter.broker.protocol",
        "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"broker\""
            + " password=\"b\" user_broker=\"b\" user_alice=\"alice-secret\";",
        "ssl.keystore.type",
        "PKCS12",
        "ssl.keystore.location",
        store.toString(),
        "ssl.keystore.password",
        PASSWORD,
        "ssl.truststore.type",
        "PKCS12",
        "ssl.truststore.location",
        store.toString(),
        "ssl.truststore.password",
        PASSWORD);
  }

  private Path client(Path store, String password) throws Exception {
    return Files.writeString(
        directory.resolve("client.properties"),
        """
        security.protocol=SASL_SSL
        sasl.mechanism=PLAIN
        sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
        username="alice" password="%s";
        ssl.truststore.type=PKCS12
        ssl.truststore.location=%s
        ssl.truststore.password=%s
        """
            .formatted(password, store, PASSWORD));
  }

  private Path keyStore() throws Exception {
    Path store = directory.resolve("broker.p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "broker",
                "-keyalg",
                "EC",
                "-dname",
                "CN=broker",
                "-ext",
                "san=ip:127.0.0.1",
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                PASSWORD)
            .inheritIO()
            .start();
    assertThat(keytool.waitFor()).isZero();
    return store;
  }
}
