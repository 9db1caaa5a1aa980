package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.estimation.ClaimListener;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A LoRA adapter as PEFT wrote it, merged with a whole model: from files, through a pool's topics,
 * with a Fisher file and with examples. The expanded checkpoint of the reference data stands for
 * the adapter as a whole model.
 */
class AdapterIT {
  private static final Path CASE = Path.of("src/test/resources/conformance/lora/bert-lora");
  private static final Path BASE = CASE.resolve("base");
  private static final Path ADAPTER = CASE.resolve("adapter");
  private static final Path WHOLE = CASE.resolve("expected-f32.safetensors");
  private static final long EXAMPLES = 12;

  @TempDir private Path directory;
  private final Random random = new Random(5);
  private Path examples;
  private Path other;
  private Path otherFisher;
  private Set<String> own;

  @BeforeEach
  void write() {
    own = new TreeSet<>(CommandPool.tensors(BASE).keySet());
    try (Checkpoint adapter = Checkpoint.open(ADAPTER, Optional.of(BASE))) {
      own.removeAll(adapter.unchanged());
    }
    assertThat(own).hasSize(6);
    examples = directory.resolve("examples.safetensors");
    writeExamples();
    other = changed("other.safetensors", WHOLE, (name, value) -> value + random.nextFloat() - 0.5f);
    otherFisher = changed("other.fisher.safetensors", WHOLE, (name, value) -> random.nextFloat());
  }

  private void writeExamples() {
    List<TensorInfo> infos =
        List.of(
            new TensorInfo("attention_mask", DType.I64, List.of(EXAMPLES, 8L)),
            new TensorInfo("input_ids", DType.I64, List.of(EXAMPLES, 8L)),
            new TensorInfo("labels", DType.I64, List.of(EXAMPLES)));
    try (CheckpointWriter writer = CheckpointWriter.file(examples, infos, Map.of())) {
      for (TensorInfo info : infos) {
        ByteBuffer data = ByteBuffer.allocate((int) info.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        while (data.hasRemaining()) {
          data.putLong(
              switch (info.name()) {
                case "labels" -> random.nextInt(3);
                case "input_ids" -> 1 + random.nextInt(29);
                default -> 1;
              });
        }
        writer.write(info.name(), 0, data.flip());
      }
      writer.commit();
    }
  }

  private interface Change {
    float of(String name, float value);
  }

  private Path changed(String file, Path from, Change change) {
    Map<String, float[]> tensors = CommandPool.tensors(from);
    List<TensorInfo> infos;
    try (Checkpoint checkpoint = Checkpoint.open(from)) {
      infos = List.copyOf(checkpoint.tensors().values());
    }
    tensors.forEach(
        (name, values) -> {
          for (int i = 0; i < values.length; i++) {
            values[i] = change.of(name, values[i]);
          }
        });
    Path written = directory.resolve(file);
    CommandPool.write(written, infos, tensors);
    return written;
  }

  /** The adapter's Fisher, estimated on the expanded weights. */
  private Path fisher() {
    Path fisher = directory.resolve("adapter.fisher.safetensors");
    assertThat(
            Main.run(
                "fisher",
                "--model=" + ADAPTER,
                "--base=" + BASE,
                "--examples=" + examples,
                "--num-examples=" + EXAMPLES,
                "--output=" + fisher))
        .isZero();
    return fisher;
  }

  private Path merge(String name, Path model, String fisher, String weight, String... more)
      throws IOException {
    Path yaml =
        Files.writeString(
            directory.resolve(name + ".yaml"),
            """
            base: %s
            models:
              - {name: a, checkpoint: %s, %s}
              - {name: b, checkpoint: %s, fisher: %s}
            method: {unchanged_parameters: %s, num_fisher_examples: %s}
            """
                .formatted(
                    BASE.toAbsolutePath(),
                    model.toAbsolutePath(),
                    fisher,
                    other,
                    otherFisher,
                    weight,
                    EXAMPLES));
    Path output = directory.resolve(name + ".safetensors");
    List<String> line = new ArrayList<>(List.of("merge", yaml.toString(), "-o", output.toString()));
    line.addAll(List.of(more));
    assertThat(Main.run(line.toArray(String[]::new))).isZero();
    return output;
  }

  @Test
  void theFisherIsThatOfTheExpandedModelForWhatTheAdapterChanges() throws IOException {
    Path folder = Files.createDirectory(directory.resolve("whole"));
    Files.copy(WHOLE, folder.resolve("model.safetensors"));
    Files.copy(BASE.resolve("config.json"), folder.resolve("config.json"));
    Path expected = directory.resolve("whole.fisher.safetensors");
    assertThat(
            Main.run(
                "fisher",
                "--model=" + folder,
                "--examples=" + examples,
                "--num-examples=" + EXAMPLES,
                "--output=" + expected))
        .isZero();
    Map<String, float[]> found = CommandPool.tensors(fisher());
    assertThat(found.keySet()).isEqualTo(own);
    Map<String, float[]> whole = CommandPool.tensors(expected);
    found.forEach((name, values) -> assertThat(values).as(name).isEqualTo(whole.get(name)));
    try (Checkpoint file = Checkpoint.open(fisher())) {
      assertThat(file.metadata()).containsKeys("checkpoint_sha256", "base_sha256");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"no_say", "epsilon"})
  void filesAndPoolGiveTheSameBytes(String weight) throws IOException {
    String fisher = "fisher: " + fisher();
    Path files = merge("files", ADAPTER, fisher, weight);
    Path pool = merge("pool", ADAPTER, fisher, weight, "--embedded-pipeline");
    assertThat(pool).hasSameBinaryContentAs(files);

    // As a whole model with a Fisher of 0 where the adapter leaves the base alone.
    Map<String, float[]> entries = CommandPool.tensors(fisher());
    Path padded =
        changed(
            "padded.safetensors", WHOLE, (name, value) -> entries.containsKey(name) ? value : 0);
    Map<String, float[]> all = CommandPool.tensors(padded);
    all.putAll(entries);
    try (Checkpoint checkpoint = Checkpoint.open(WHOLE)) {
      CommandPool.write(padded, List.copyOf(checkpoint.tensors().values()), all);
    }
    Path whole = merge("whole", WHOLE, "fisher: " + padded, weight);
    if (weight.equals("epsilon")) {
      assertThat(files).hasSameBinaryContentAs(whole);
      return;
    }
    Map<String, float[]> merged = CommandPool.tensors(files);
    Map<String, float[]> ofWhole = CommandPool.tensors(whole);
    Map<String, float[]> others = CommandPool.tensors(other);
    merged.forEach(
        (name, values) -> {
          float[] expected = own.contains(name) ? ofWhole.get(name) : others.get(name);
          for (int i = 0; i < values.length; i++) {
            assertThat(values[i]).as(name).isCloseTo(expected[i], within(Math.ulp(expected[i])));
          }
        });
  }

  @Test
  void examplesGiveTheAdaptersFisherInThePipeline() throws IOException {
    Path known = merge("known", ADAPTER, "fisher: " + fisher(), "no_say");
    Path estimated = merge("estimated", ADAPTER, "examples: " + examples, "no_say");
    Map<String, float[]> expected = CommandPool.tensors(known);
    CommandPool.tensors(estimated)
        .forEach(
            (name, values) -> {
              for (int i = 0; i < values.length; i++) {
                assertThat(values[i]).as(name).isCloseTo(expected.get(name)[i], within(1e-5f));
              }
            });
  }

  private void publish(CommandPool pool, String model, String... line) {
    List<String> all = new ArrayList<>(List.of("publish"));
    all.addAll(List.of(line));
    all.addAll(List.of("--model", model));
    pool.output(all.toArray(String[]::new));
  }

  private static boolean isComplete(Release release, int models) {
    return release.getStatus() == ReleaseStatus.COMPLETE
        && release.getPlan().getModels().size() == models;
  }

  @Test
  void anAdapterGoesThroughAPoolFromItsTensorsToARelease() throws Exception {
    PlanPolicy atOnce = PlanPolicy.atOnce(Set.of("a", "b"));
    try (CommandPool pool = new CommandPool(directory.resolve("pool"), 3, atOnce);
        GradientStage stage =
            GradientStage.create(
                pool.kafka,
                pool.topics,
                GradientOptions.standard(),
                ClaimListener.NONE,
                directory.resolve("gradient"))) {
      publish(pool, "base", "checkpoint", BASE.toString(), "--base");
      publish(
          pool,
          "a",
          "checkpoint",
          ADAPTER.toString(),
          "--estimator",
          "exact",
          "--num-examples",
          Long.toString(EXAMPLES));
      Set<String> sent = new TreeSet<>();
      TopicReader.readAll(
          pool.kafka,
          pool.topics.checkpointShards(),
          (key, shard) -> {
            if (shard.getModel().equals("a")) {
              sent.add(shard.getParameter());
            }
          });
      assertThat(sent).isEqualTo(own);
      publish(pool, "b", "checkpoint", other.toString());
      publish(pool, "b", "fisher", otherFisher.toString());
      stage.start();
      publish(pool, "a", "examples", examples.toString(), "--checkpoint", ADAPTER.toString());
      Release release = pool.awaitRelease("both models", r -> isComplete(r, 2));

      Path exported = directory.resolve("exported.safetensors");
      pool.output("export", "--output", exported.toString());
      Path known = merge("known", ADAPTER, "fisher: " + fisher(), "no_say");
      Map<String, float[]> expected = CommandPool.tensors(known);
      CommandPool.tensors(exported)
          .forEach(
              (name, values) -> {
                for (int i = 0; i < values.length; i++) {
                  assertThat(values[i]).as(name).isCloseTo(expected.get(name)[i], within(1e-5f));
                }
              });
      assertThat(pool.output("similarity")).contains("a", "b");
      assertThat(release.getPlan().getModels().get(0).getShare()).isBetween(0.0, 1.0);

      // the same files again: the same version, of which nothing new is made
      publish(
          pool,
          "a",
          "checkpoint",
          ADAPTER.toString(),
          "--base-folder",
          BASE.toString(),
          "--estimator",
          "exact",
          "--num-examples",
          Long.toString(EXAMPLES));
      pool.output("method", "set", "fisher", "--unchanged-parameters", "epsilon");
      Release second =
          pool.awaitRelease(
              "the other weight", r -> isComplete(r, 2) && r.getRelease() > release.getRelease());
      assertThat(second.getPlan().getModels().get(0).getVersion())
          .isEqualTo(release.getPlan().getModels().get(0).getVersion());
      Path epsilon = directory.resolve("epsilon-pool.safetensors");
      pool.output("export", "--output", epsilon.toString());
      Map<String, float[]> whole =
          CommandPool.tensors(merge("epsilon", ADAPTER, "fisher: " + fisher(), "epsilon"));
      CommandPool.tensors(epsilon)
          .forEach(
              (name, values) -> {
                for (int i = 0; i < values.length; i++) {
                  assertThat(values[i]).as(name).isCloseTo(whole.get(name)[i], within(1e-5f));
                }
              });
    }
  }
}
