package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseFeed;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Health and metrics of all stages of a pool in one process, over HTTP. */
class MonitorIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final Path EXAMPLES = Path.of("examples").toAbsolutePath();
  private static final Pattern NAMED =
      Pattern.compile(
          "\\b((?:fisherstreams|kafka|jvm|process|system|disk)_[a-z0-9]+_[a-z0-9_]+)\\b");
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  @TempDir private Path directory;
  private String connection;
  private String url;

  @Test
  void everyMetricThatADocumentNamesIsInARunningPool() throws Exception {
    Path config =
        Files.writeString(
            directory.resolve("pool.yaml"),
            """
            pool: pool
            gate:
              alias: production
              tasks: [{name: cars, model: EXAMPLES/cars, examples: EXAMPLES/cars.examples.safetensors}]
            webhooks: [{name: nobody, url: 'http://127.0.0.1:9/', secret_file: secret}]
            api: {port: 0}
            metrics: {port: 0}
            """
                .replace("EXAMPLES", EXAMPLES.toString()));
    Files.writeString(directory.resolve("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      PoolTopics topics = new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of()));
      try (Admin admin = kafka.admin()) {
        new PoolAdmin(admin, topics).create(2, Optional.empty());
      }
      connection =
          "--pool pool --bootstrap-servers "
              + broker.bootstrapServers()
              + " --schema-registry "
              + registry.url();
      ServiceConfig service = ServiceConfig.read(config);
      try (RunningStages stages =
          new RunningStages(
              RunningStages.configured(service),
              service,
              kafka,
              topics,
              directory.resolve("state"))) {
        url = "http://127.0.0.1:" + stages.monitorPort().orElseThrow();
        assertThat(get("/health/live").statusCode()).isEqualTo(200);
        assertThat(get("/health/ready").statusCode()).as("nothing is started").isEqualTo(503);
        assertThat(stages.start(PATIENCE)).isTrue();
        assertThat(get("/health/ready").body())
            .contains("merge has its work", "api has its work", "gradient has its work");
        run("publish checkpoint --base --model base " + EXAMPLES.resolve("base"));
        run("publish checkpoint --model cars " + EXAMPLES.resolve("cars"));
        run("publish fisher --model cars " + EXAMPLES.resolve("cars.fisher.safetensors"));
        try (ReleaseFeed feed = new ReleaseFeed(kafka, topics)) {
          await().atMost(PATIENCE).until(() -> !feed.upToDate().isEmpty());
          Release release = feed.upToDate().get(1L);
          await()
              .atMost(PATIENCE)
              .untilAsserted(
                  () ->
                      assertThat(value("fisherstreams_pool_largest_share"))
                          .isEqualTo(release.getPlan().getModels().get(0).getShare()));
        }
        await()
            .atMost(PATIENCE)
            .untilAsserted(() -> assertThat(named()).isSubsetOf(names(get("/metrics").body())));
        for (Stage stage : List.of(Stage.GRADIENT, Stage.GATE)) {
          assertThat(get("/metrics").body())
              .as("Kafka's metrics of stage %s", stage.text())
              .containsPattern(
                  "kafka_consumer_coordinator_rebalance_total\\{client_id=\"pool-" + stage.text());
        }
        assertThat(get("/metrics").body())
            .containsPattern(
                "kafka_producer_txn_commit_time_ns_total\\{client_id=\"producer-pool-");
        assertThat(value("fisherstreams_pool_models{pool=\"pool\",state=\"READY\"}")).isEqualTo(2);
        assertThat(value("fisherstreams_merge_checkpoint_shards_total"))
            .isEqualTo(tensors("base") + tensors("cars"));
        assertThat(get("/").statusCode()).isEqualTo(404);
        assertThat(get("/metrics").headers().firstValue("Content-Type").orElseThrow())
            .startsWith("text/plain; version=0.0.4");
        URI api = stages.api().orElseThrow();
        HttpResponse<String> sameOnTheApi =
            CLIENT.send(
                HttpRequest.newBuilder(api.resolve("/health/ready")).build(),
                HttpResponse.BodyHandlers.ofString());
        assertThat(sameOnTheApi.statusCode()).isEqualTo(200);
      }
    }
  }

  /** What docs, dashboards and alerts name; {@code _bucket} and the like belong to their meter. */
  private static Set<String> named() throws IOException {
    Set<String> names = new TreeSet<>();
    for (String page :
        List.of(
            "docs/metrics.md",
            "docs/operations.md",
            "deploy/grafana/fisher-streams.json",
            "deploy/prometheus/alerts.yml")) {
      Matcher found = NAMED.matcher(Files.readString(Path.of(page)));
      while (found.find()) {
        names.add(found.group(1));
      }
    }
    assertThat(names).hasSizeGreaterThan(Meter.values().length - 1);
    names.remove(Meter.SERVER_ANSWERS.prometheus()); // only "run" watches servers
    return names;
  }

  private static Set<String> names(String scrape) {
    Set<String> names = new TreeSet<>();
    scrape
        .lines()
        .filter(line -> !line.startsWith("#"))
        .map(line -> line.replaceAll("[{ ].*", ""))
        .forEach(
            name -> {
              names.add(name);
              if (name.startsWith("fisherstreams_")) { // a timer's name
                names.add(name.replaceFirst("_(count|sum|max)$", ""));
              }
            });
    return names;
  }

  /** Each is smaller than a shard. */
  private static int tensors(String model) {
    try (Checkpoint checkpoint = Checkpoint.open(EXAMPLES.resolve(model))) {
      return checkpoint.tensors().size();
    }
  }

  private HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return CLIENT.send(
        HttpRequest.newBuilder(URI.create(url + path)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  private double value(String series) throws IOException, InterruptedException {
    return get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith(series))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
        .sum();
  }

  private void run(String line) {
    assertThat(Main.run((line + " " + connection).split(" "))).isZero();
  }
}
