package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.cli.Main;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The lines of the documents that go on from the demo's folder, run on a small demo's. */
class DemoFolderIT {
  private static final String FOLDER = "fisher-streams-demo/";
  private static final Set<String> IN_FIRST_POOL = Set.of("base", "bold", "tilted", "top-right");

  @TempDir private Path directory;

  /** The commands of a document that read the demo's folder, with that folder elsewhere. */
  private List<String[]> commands(String document) throws IOException {
    String demo = directory.resolve("demo") + "/";
    try (Stream<String> lines = Files.lines(Path.of(document))) {
      return lines
          .filter(line -> line.startsWith("bin/fisher-streams ") && line.contains(FOLDER))
          .map(
              line ->
                  line.replaceAll(" +#.*", "")
                      .replace(FOLDER, demo)
                      .replaceAll("--(output|csv|json|svg) ", "--$1 " + directory + "/")
                      .replace(
                          "--num-examples 2000",
                          "--num-examples " + SmallRun.EFFORT.fisherExamples()))
          .map(line -> line.substring("bin/fisher-streams ".length()).split(" +"))
          .toList();
    }
  }

  @Test
  void theDocumentsGoOnFromTheDemosFolder() throws Exception {
    DemoFolder folder = new DemoFolder(directory.resolve("demo"));
    folder.write(SmallRun.result(8));
    List<String[]> merge = commands("docs/first-merge.md");
    assertThat(merge).extracting(line -> line[0]).contains("merge", "evaluate", "fisher");
    for (String[] line : merge) {
      assertThat(Main.run(line)).as(String.join(" ", line)).isZero();
    }
    assertSameFisher(
        directory.resolve("bold.fisher.safetensors"),
        directory.resolve("demo/pool/bold.fisher.safetensors"));
    runInPool(commands("docs/first-pool.md"));
  }

  /** The mean of squared gradients, once in float64 and once by the stage's runtime. */
  private static void assertSameFisher(Path found, Path expected) {
    try (Checkpoint a = Checkpoint.open(found);
        Checkpoint b = Checkpoint.open(expected)) {
      assertThat(a.tensors()).isEqualTo(b.tensors());
      for (TensorInfo tensor : a.tensors().values()) {
        int elements = (int) tensor.elements();
        ByteBuffer one = a.slice(tensor.name(), 0, elements).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer other = b.slice(tensor.name(), 0, elements).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < elements; i++) {
          double wanted = other.getFloat();
          assertThat((double) one.getFloat())
              .isCloseTo(wanted, within(1e-7 + 1e-3 * Math.abs(wanted)));
        }
      }
    }
  }

  private void runInPool(List<String[]> lines) throws Exception {
    assertThat(lines).hasSizeGreaterThanOrEqualTo(7);
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      List<String> cluster =
          List.of(
              "--bootstrap-servers",
              broker.bootstrapServers(),
              "--schema-registry",
              registry.url());
      run(cluster, "topics", "create");
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      PoolTopics topics = new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of()));
      try (PoolRunner runner =
              PoolRunner.start(
                  kafka, topics, directory.resolve("state"), 1, PlanPolicy.standard());
          GradientStage gradient =
              GradientStage.create(
                  kafka, topics, GradientOptions.standard(), directory.resolve("gradient"));
          ReleaseFeed feed = new ReleaseFeed(kafka, topics)) {
        gradient.start();
        for (String[] line : lines) {
          run(cluster, line);
        }
        while (feed.poll(Duration.ofMillis(100)).values().stream().noneMatch(this::isWhole)) {
          runner.requireRunning();
        }
      }
    }
  }

  private boolean isWhole(Release release) {
    return release.getStatus() == ReleaseStatus.COMPLETE
        && release.getPlan().getModels().size() == IN_FIRST_POOL.size() - 1;
  }

  private static void run(List<String> cluster, String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(cluster);
    assertThat(Main.run(line.toArray(String[]::new))).as(String.join(" ", line)).isZero();
  }
}
