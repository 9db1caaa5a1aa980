package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.StageLag;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import io.fisherstreams.webhook.Webhook;
import io.fisherstreams.webhook.WebhookStage;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two hooks of one pool: one that always answers, one that fails, redirects and never answers. */
class WebhookIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final String BASE64 = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

  private record Delivery(String id, String time, String signature, byte[] body) {
    String event() {
      return json().get("type").textValue();
    }

    JsonNode json() {
      try {
        return new ObjectMapper().readTree(body);
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }
  }

  @TempDir private Path directory;
  private final Queue<Delivery> steady = new ConcurrentLinkedQueue<>();
  private final Queue<Delivery> flaky = new ConcurrentLinkedQueue<>();
  private final Queue<Delivery> redirected = new ConcurrentLinkedQueue<>();
  private volatile int status = 204;

  @Test
  void eventsAreSignedTriedAgainUntilTakenAndGoOnAfterARestart() throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newCachedThreadPool());
    server.createContext("/steady", exchange -> answer(exchange, steady, 204));
    server.createContext("/flaky", exchange -> answer(exchange, flaky, status));
    server.createContext("/elsewhere", exchange -> answer(exchange, redirected, 204));
    server.start();
    String url = "http://localhost:" + server.getAddress().getPort();
    List<Webhook> hooks = List.of(hook("steady", url), hook("flaky", url));
    try (CommandPool pool = new CommandPool(directory, 2, PlanPolicy.atOnce(Set.of("a")))) {
      StageInstance stage = start(pool, hooks);
      publish(pool, "base", "--base");
      publish(pool, "a");
      pool.output("publish", "fisher", pool.file("fisher", tensor(1)), "--model", "a");
      Release release =
          pool.awaitRelease("the release", r -> r.getStatus() == ReleaseStatus.COMPLETE);
      await().atMost(PATIENCE).until(() -> steady.size() == 1 && flaky.size() == 1);
      assertTells(steady.element(), release);
      assertThat(flaky.element().body()).isEqualTo(steady.element().body());

      status = 302;
      pool.output("alias", "set", "production", "1");
      await().atMost(PATIENCE).until(() -> flaky.size() >= 3);
      status = 500;
      int before = flaky.size();
      await().atMost(PATIENCE).until(() -> flaky.size() >= before + 2);
      assertThat(redirected).as("a redirection is not followed").isEmpty();
      await().atMost(PATIENCE).until(() -> steady.size() == 2);
      stage.close();

      pool.output("weight", "a", "0.5"); // while no stage runs
      pool.awaitRelease(
          "the second release",
          r -> r.getRelease() == 2 && r.getStatus() == ReleaseStatus.COMPLETE);
      flaky.clear();
      status = 200;
      stage = start(pool, hooks);
      await().atMost(PATIENCE).until(() -> steady.size() == 3 && flaky.size() == 2);
      await()
          .atMost(PATIENCE)
          .until(() -> StageLag.of(pool.kafka, Stage.webhookGroup("pool", "steady")) == 0);
      stage.close();
      assertThat(steady)
          .extracting(Delivery::event)
          .containsExactly("release.complete", "alias.moved", "release.complete");
      assertThat(flaky)
          .as("the event that was not taken comes again under its id, then the next")
          .extracting(Delivery::id)
          .containsExactlyInAnyOrderElementsOf(steady.stream().skip(1).map(Delivery::id).toList());
      steady.forEach(WebhookIT::assertSigned);
      flaky.forEach(WebhookIT::assertSigned);
      JsonNode alias =
          steady.stream().skip(1).findFirst().orElseThrow().json().get("data").get("alias");
      assertThat(alias.get("name").textValue()).isEqualTo("production");
      assertThat(alias.get("release").longValue()).isEqualTo(1);

      List<String> told = List.copyOf(steady).stream().map(Delivery::id).toList();
      pool.output("alias", "remove", "production"); // while no stage runs
      steady.clear();
      losePlace(pool, "steady");
      stage = start(pool, hooks);
      await().atMost(PATIENCE).until(() -> steady.size() == 4);
      stage.close();
      assertThat(steady)
          .as("the releases and what became of the alias, told again under their ids")
          .extracting(Delivery::id)
          .containsAll(told);
      assertThat(steady)
          .extracting(Delivery::event)
          .filteredOn(event -> event.startsWith("alias."))
          .containsExactly("alias.moved", "alias.removed");
      commandsTestAndReplay(pool, url, told);
    } finally {
      server.stop(0);
    }
  }

  private void commandsTestAndReplay(CommandPool pool, String url, List<String> told)
      throws IOException {
    Path config =
        Files.writeString(
            directory.resolve("pool.yaml"),
            """
            webhooks:
              - {name: steady, url: '%1$s/steady', secret_file: secret}
              - {name: flaky, url: '%1$s/flaky?token=abcd1234', secret_file: secret}
              - {name: unsigned, url: '%1$s/steady', secret_file: none}
            """
                .formatted(url));
    String with = "--config=" + config;
    steady.clear();
    flaky.clear();
    assertThat(pool.output("webhooks", "list", with))
        .containsPattern("steady +http://\\S+/\\*\\*\\* +[0-9]+ +in .*secret")
        .containsPattern("unsigned .*cannot read its secret")
        .doesNotContain("abcd1234", BASE64);
    assertThat(pool.output("webhooks", "test", "steady", with))
        .isEqualTo("steady accepted the test: status 204" + System.lineSeparator());
    assertThat(steady).extracting(Delivery::event).containsExactly("test");
    assertSigned(steady.remove());
    status = 503;
    assertThat(pool.run("webhooks", "test", "flaky", with)).isEqualTo(1);
    assertThat(pool.run("webhooks", "replay", "flaky", "--release", "2", with)).isEqualTo(1);
    assertThat(flaky).as("it stops at the first").hasSize(2);
    assertThat(pool.run("webhooks", "test", "other", with)).isEqualTo(1);
    assertThat(pool.run("webhooks", "test", "unsigned", with)).isEqualTo(1);
    assertThat(pool.run("webhooks", "replay", "steady", "--release", "9", with)).isEqualTo(1);
    assertThat(pool.output("webhooks", "replay", "steady", "--release", "1", with))
        .containsPattern("steady: release.complete release 1 of .*: status 204");
    assertThat(steady).extracting(Delivery::event).contains("release.complete");
    assertThat(steady).extracting(Delivery::id).isSubsetOf(told);
    steady.clear();
    pool.output("webhooks", "replay", "steady", "--since", "1h", with);
    assertThat(steady)
        .extracting(Delivery::event)
        .contains("release.complete", "alias.removed")
        .hasSizeGreaterThanOrEqualTo(3);
    steady.forEach(WebhookIT::assertSigned);
  }

  private void answer(HttpExchange exchange, Queue<Delivery> deliveries, int with)
      throws IOException {
    assertThat(exchange.getRequestMethod()).isEqualTo("POST");
    deliveries.add(
        new Delivery(
            exchange.getRequestHeaders().getFirst("webhook-id"),
            exchange.getRequestHeaders().getFirst("webhook-timestamp"),
            exchange.getRequestHeaders().getFirst("webhook-signature"),
            exchange.getRequestBody().readAllBytes()));
    if (with == 302) {
      exchange.getResponseHeaders().set("Location", "/elsewhere");
    }
    exchange.sendResponseHeaders(with, -1);
    exchange.close();
  }

  private Webhook hook(String name, String url) throws IOException {
    Path secret = Files.writeString(directory.resolve("secret"), "whsec_" + BASE64 + "\n");
    return new Webhook(
        name,
        URI.create(url + "/" + name),
        Optional.empty(),
        Optional.of(secret),
        Duration.ofSeconds(10),
        Duration.ofMillis(20),
        Duration.ofMillis(100));
  }

  /** Starts the stage and waits until each hook has its place among the events. */
  private static StageInstance start(CommandPool pool, List<Webhook> hooks) {
    StageInstance stage = WebhookStage.create(pool.kafka, pool.topics, hooks);
    stage.start();
    try (Admin admin = pool.kafka.admin()) {
      TopicPartition releases = new TopicPartition(pool.topics.releases().name(), 0);
      for (Webhook hook : hooks) {
        String group = Stage.webhookGroup("pool", hook.name());
        await().atMost(PATIENCE).until(() -> committed(admin, group).containsKey(releases));
      }
    }
    return stage;
  }

  /**
   * As brokers do to a group that was away for long; then the place is set back to the beginning.
   */
  private static void losePlace(CommandPool pool, String hook) {
    String group = Stage.webhookGroup("pool", hook);
    try (Admin admin = pool.kafka.admin()) {
      admin.deleteConsumerGroups(List.of(group)).all().get();
      Map<TopicPartition, OffsetAndMetadata> beginning = new HashMap<>();
      for (Topic<?, ?> topic : List.of(pool.topics.releases(), pool.topics.aliases())) {
        beginning.put(new TopicPartition(topic.name(), 0), new OffsetAndMetadata(0));
      }
      admin.alterConsumerGroupOffsets(group, beginning).all().get();
    } catch (InterruptedException | ExecutionException e) {
      throw new AssertionError(e);
    }
  }

  private static Map<TopicPartition, ?> committed(Admin admin, String group)
      throws InterruptedException {
    try {
      return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    } catch (ExecutionException e) {
      return Map.of(); // no such group yet
    }
  }

  private static Map<String, float[]> tensor(float value) {
    return Map.of("w", new float[] {value, 2 * value});
  }

  private static void publish(CommandPool pool, String model, String... more) {
    String file = pool.file(model, tensor(1));
    String[] line =
        more.length == 0
            ? new String[] {"publish", "checkpoint", file, "--model", model}
            : new String[] {"publish", "checkpoint", file, "--model", model, more[0]};
    pool.output(line);
  }

  private static void assertTells(Delivery delivery, Release release) {
    JsonNode json = delivery.json();
    assertThat(json.get("type").textValue()).isEqualTo("release.complete");
    assertThat(json.get("timestamp").textValue()).isEqualTo(release.getAt().toString());
    assertThat(json.get("data").get("pool").textValue()).isEqualTo("pool");
    JsonNode told = json.get("data").get("release");
    assertThat(told.get("id").longValue()).isEqualTo(release.getRelease());
    assertThat(told.get("checksum").textValue()).isEqualTo(release.getChecksum());
    JsonNode model = told.get("plan").get("models").get(0);
    assertThat(model.get("model").textValue()).isEqualTo("a");
    assertThat(model.get("fisher_norm").doubleValue()).isEqualTo(Math.sqrt(5));
    assertThat(model.get("coefficient").doubleValue()).isEqualTo(1);
    assertThat(told.get("plan").get("method").get("minimal_fisher_weight").doubleValue())
        .isEqualTo(1e-6);
  }

  /** HMAC by its definition: H(K ⊕ opad, H(K ⊕ ipad, text)). */
  private static void assertSigned(Delivery delivery) {
    byte[] inner = pad(0x36);
    byte[] outer = pad(0x5c);
    byte[] hash =
        sha256(
            outer,
            sha256(
                inner,
                (delivery.id() + "." + delivery.time() + ".").getBytes(StandardCharsets.UTF_8),
                delivery.body()));
    assertThat(delivery.signature()).isEqualTo("v1," + Base64.getEncoder().encodeToString(hash));
  }

  private static byte[] pad(int with) {
    byte[] key = new byte[64];
    byte[] secret = Base64.getDecoder().decode(BASE64);
    System.arraycopy(secret, 0, key, 0, secret.length);
    for (int i = 0; i < key.length; i++) {
      key[i] ^= (byte) with;
    }
    return key;
  }

  private static byte[] sha256(byte[]... parts) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (byte[] part : parts) {
        digest.update(part);
      }
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
