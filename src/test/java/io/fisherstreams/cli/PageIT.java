package io.fisherstreams.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.api.ApiStage;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gate.GateStage;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.page.Chromium;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.record.Stage;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page of a running pool in a browser: the real stages, the real API, a real Chromium. */
class PageIT {
  private static final Path EXAMPLES = Path.of("examples");
  private static final String MARKUP = "<img src=x onerror=\"document.title='broken'\">";

  @TempDir private Path directory;
  private CommandPool pool;
  private Chromium browser;
  private Monitor monitor;

  @BeforeAll
  static void needsChromium() {
    assumeTrue(
        Chromium.program().isPresent(),
        "chromium is not installed; on Debian: apt-get install chromium");
  }

  @Test
  void showsThePoolsLifeAsItHappens() throws IOException {
    try (CommandPool started = new CommandPool(directory, 2, PlanPolicy.atOnce(Set.of()));
        StageInstance gradient =
            GradientStage.create(
                started.kafka,
                started.topics,
                GradientOptions.standard(),
                directory.resolve("gradient"));
        StageInstance gate =
            GateStage.create(
                started.kafka, started.topics, gateOptions(), directory.resolve("gate"));
        Monitor shown = new Monitor("pool", directory);
        Chromium chromium = Chromium.start(directory.resolve("profile"))) {
      pool = started;
      monitor = shown;
      monitor.add(Stage.MERGE, pool.stage(Stage.MERGE));
      monitor.add(Stage.GRADIENT, gradient);
      browser = chromium;
      gradient.start();
      int port;
      try (ApiStage api = api(0)) {
        port = api.url().getPort();
        browser.show(1280, 900, false);
        browser.open(api.url());
        anEmptyPoolSaysWhatToDo();
        aModelArrivesAndItsBarMoves();
        gate.start();
        aReleaseAppearsWithItsVerdict();
        aSecondModelSharesTheRelease();
        theFishersAreComparedOnDemand();
        aDeadLetterShowsAndItsMarkupIsText();
        aWithdrawalShows();
        aLargePoolIsCutToWhatCanBeRead();
        theKeyboardReachesTheContentFirst();
        assertThat(browser.accessibilityViolations()).isEmpty();
        assertThat(browser.complaints()).isEmpty();
      }
      browser.awaitText("#connection", "Connection lost at");
      assertThat(browser.accessibilityViolations()).isEmpty();
      // The port is free at once: the server closed its connections itself.
      try (ApiStage again = api(port)) {
        assertThat(again.url().getPort()).isEqualTo(port);
        browser.awaitText("#connection", "Live");
        pool.output("alias", "set", "canary", "1");
        browser.awaitText("#aliases", "canary");
        browser.awaitText("#aliases", "by os:");
      }
    }
  }

  private ApiStage api(int port) {
    ApiStage stage =
        ApiStage.create(
            pool.kafka,
            pool.topics,
            ApiOptions.standard().withPort(port),
            Map.of("gate", "pool-gate"),
            directory.resolve("api"),
            monitor);
    stage.start();
    return stage;
  }

  private static GateOptions gateOptions() {
    return new GateOptions(
        "production",
        1,
        64,
        false,
        List.of(
            new GateOptions.Task(
                "svhn",
                EXAMPLES.resolve("base"),
                EXAMPLES.resolve("svhn.examples.safetensors"),
                Optional.empty(),
                Optional.empty(),
                OptionalInt.empty())));
  }

  private void anEmptyPoolSaysWhatToDo() throws IOException {
    browser.awaitText("#connection", "Live");
    browser.awaitText("#models", "This pool has no base model yet.");
    browser.awaitText("#models code", "publish checkpoint examples/base --model base --base");
    browser.awaitText("#releases", "No release yet.");
    browser.awaitText("#gate", "No release was judged.");
    browser.awaitText("#dead-letters", "No record was rejected.");
    assertThat(browser.accessibilityViolations()).isEmpty();
    browser.show(1280, 900, false);
    publish("checkpoint", "base", "--model", "base", "--base");
    browser.awaitText("#models", "Publish the first fine-tuned model");
    browser.awaitText("[data-model=base]", "4 checkpoint shards");
  }

  private void aModelArrivesAndItsBarMoves() {
    publish(
        "checkpoint", "svhn", "--model", "svhn", "--estimator", "exact", "--num-examples", "64");
    browser.awaitText("[data-model=svhn]", "awaits its Fisher");
    browser.awaitText("[data-model=svhn]", "publish examples … --model svhn");
    awaitBar("svhn", "examples", 0, 64);
    awaitBar("svhn", "Fisher", 0, 4);
    browser.awaitText("#activity", "svhn arrived");
    browser.awaitText("#announcer", "svhn arrived");
    examples("40", "0");
    awaitBar("svhn", "examples", 40, 64);
    examples("24", "40");
    browser.awaitText("[data-model=svhn]", "✓ ready");
    browser.awaitText("[data-model=svhn]", "4 checkpoint shards, 4 of the Fisher, 64 examples");
    browser.await("document.querySelector('[data-model=svhn] .progress').hidden");
  }

  private void examples(String count, String firstIndex) {
    pool.output(
        "publish",
        "examples",
        EXAMPLES.resolve("svhn.examples.safetensors").toString(),
        "--model",
        "svhn",
        "--model-folder",
        EXAMPLES.resolve("svhn").toString(),
        "--num-examples",
        count,
        "--first-index",
        firstIndex);
  }

  private void aReleaseAppearsWithItsVerdict() {
    browser.awaitText("[data-release='1']", "✓ complete");
    browser.awaitText("[data-release='1']", "svhn");
    browser.awaitText("[data-release='1']", "Gate: passed.");
    browser.awaitText("#aliases", "production");
    browser.awaitText("[data-release='1']", "→ production");
    browser.awaitText("#gate table", "✓ passed");
    browser.awaitText("[data-model=svhn]", "in release 1");
    // One model decides alone.
    browser.awaitText("[data-model=svhn]", "100.0 %");
  }

  private void aSecondModelSharesTheRelease() {
    publish("checkpoint", "cars", "--model", "cars", "--coefficient", "0.3");
    browser.awaitText("[data-model=cars]", "publish fisher … --model cars");
    publish("fisher", "cars.fisher.safetensors", "--model", "cars");
    browser.awaitText("[data-release='2']", "✓ complete");
    browser.awaitText("#members th", "cars");
    browser.await("document.querySelectorAll('#members thead th').length === 3");
    browser.awaitText("#shares", "layers.1");
    browser.awaitText("#shares", "Release 2");
    browser.awaitText("#stages", "merge");
    browser.awaitText("#traffic", "checkpoint-shards");
    browser.awaitText("#process tbody", "merge");
    browser.awaitText("#process tbody", "✓ ready");
    browser.awaitText("#process .facts", "Stores (RocksDB)");
    browser.awaitText("#process .facts", "Longest time between polls");
    browser.evaluate("document.querySelector(\"[data-release='2'] summary\").click()");
    browser.awaitText("[data-release='2'] dl", "From plan to release");
    browser.awaitText("[data-release='2'] dl", "Method");
    browser.awaitText("[data-release='2'] dl", "Constant's part of the weights");
    browser.awaitText("[data-release='2'] a", "Download as safetensors");
  }

  private void theFishersAreComparedOnDemand() {
    browser.await("document.querySelectorAll('#similarity td').length === 0");
    browser.evaluate("document.querySelector('#similarity button').click()");
    browser.awaitText("#similarity table", "1.00");
    // A table's cells: a corner that is a head, and two models by two.
    browser.await("document.querySelectorAll('#similarity tbody td').length === 4");
  }

  private void aDeadLetterShowsAndItsMarkupIsText() {
    try (Producer<byte[], byte[]> producer = pool.kafka.newProducer()) {
      Future<RecordMetadata> sent =
          producer.send(
              new ProducerRecord<>(
                  pool.topics.gradientBatches().name(),
                  0,
                  MARKUP.getBytes(UTF_8),
                  new byte[] {1, 2}));
      producer.flush();
      assertThat(sent).succeedsWithin(Duration.ofMinutes(1));
    }
    browser.awaitText("#dead-letters tbody", MARKUP);
    browser.awaitText("#dead-letters tbody", "pool.gradient-batches, partition 0");
    browser.awaitText("#dead-letters code", "dead-letters show 0");
    browser.awaitText("#dead-letters", "The newest 1 dead letter by kind: unreadable 1.");
    browser.awaitText("#tiles", "see the reasons below");
    assertThat(browser.evaluate("document.querySelectorAll('main img').length").intValue())
        .isZero();
    assertThat(browser.evaluate("document.title").textValue())
        .isEqualTo("pool: release 2 – FisherStreams");
  }

  private void aWithdrawalShows() {
    pool.output("withdraw", "cars");
    browser.awaitText("#activity", "cars was withdrawn");
    browser.await("document.querySelector('[data-model=cars]') === null");
    browser.awaitText("[data-release='3']", "✓ complete");
    browser.awaitText("[data-release='3']", "cars");
  }

  private void aLargePoolIsCutToWhatCanBeRead() {
    try (Checkpoint cars = Checkpoint.open(EXAMPLES.resolve("cars"));
        Producer<byte[], byte[]> producer = pool.kafka.newProducer()) {
      MergeSet mergeSet = MergeSet.of(List.copyOf(cars.tensors().values()), List.of());
      PoolProducer announcer = new PoolProducer(pool.topics, producer);
      for (int i = 0; i < 60; i++) {
        announcer.announce(
            Manifests.fineTuned("many/" + i, 1, cars.tensors().values(), mergeSet, false).build());
      }
      producer.flush();
    }
    // base, svhn and the 60, of which 50 are shown: first those that wait for somebody
    browser.awaitText("#models button", "Show 12 more of 12 models");
    browser.await("document.querySelectorAll('#models tbody tr').length === 50");
    browser.await("document.querySelector('[data-model=svhn]') === null");
    browser.evaluate("document.querySelector('#models button').click()");
    browser.await("document.querySelectorAll('#models tbody tr').length === 62");
    browser.awaitText("[data-model=svhn]", "ready");
    browser.evaluate(
        "{ const search = document.querySelector('input[type=search]');"
            + " search.value = 'many/5'; search.dispatchEvent(new Event('input')); }");
    // 5 and 50 to 59
    browser.await("document.querySelectorAll('#models tbody tr').length === 11");
    browser.awaitText("#models [role=status]", "11 models of 62");
  }

  private void theKeyboardReachesTheContentFirst() {
    browser.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)");
    browser.evaluate("document.querySelector('.skip').focus()");
    browser.press("Tab", 9);
    assertThat(browser.evaluate("document.activeElement.textContent").textValue())
        .isEqualTo("Models");
    browser.evaluate("document.querySelector('.skip').click()");
    assertThat(browser.evaluate("location.hash").textValue()).isEqualTo("#content");
  }

  private void publish(String kind, String file, String... more) {
    String[] line = new String[3 + more.length];
    line[0] = "publish";
    line[1] = kind;
    line[2] = EXAMPLES.resolve(file).toString();
    System.arraycopy(more, 0, line, 3, more.length);
    pool.output(line);
  }

  private void awaitBar(String model, String bar, int value, int most) {
    browser.await(
        String.format(
            Locale.ROOT,
            "[...document.querySelectorAll('progress')].some((bar) => !bar.hidden"
                + " && bar.ariaLabel === %s && bar.value === %d && bar.max === %d)",
            Chromium.quoted(bar + " of " + model),
            value,
            most));
  }
}
