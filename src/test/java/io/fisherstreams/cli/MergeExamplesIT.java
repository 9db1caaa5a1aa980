package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongUnaryOperator;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * {@code merge} of models that come with examples. Model {@code a} is a conformance case, whose
 * Fisher is known from elsewhere; model {@code b} has other values and a Fisher file.
 */
final class MergeExamplesIT {
  private static final Path GRADIENT = Path.of("src/test/resources/conformance/gradient");
  private static final Path TORCHSCRIPT = Path.of("src/test/resources/torchscript");
  private static final double TOLERANCE = 1e-4;

  @TempDir private Path directory;

  private CommandOutput merge(Path yaml, Path output, String... more) {
    List<String> line = new ArrayList<>(List.of("merge", yaml.toString(), "-o", output.toString()));
    line.addAll(List.of(more));
    return CommandOutput.of(line.toArray(String[]::new));
  }

  private static List<TensorInfo> infos(Path file) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      return checkpoint.tensors().values().stream()
          .map(tensor -> new TensorInfo(tensor.name(), DType.F32, tensor.shape()))
          .toList();
    }
  }

  private interface Change {
    double of(double value, int element);
  }

  private Path changed(String name, Path file, Change change) {
    Map<String, float[]> tensors = CommandPool.tensors(file);
    tensors
        .values()
        .forEach(
            values -> {
              for (int i = 0; i < values.length; i++) {
                values[i] = (float) change.of(values[i], i);
              }
            });
    Path written = directory.resolve(name);
    CommandPool.write(written, infos(file), tensors);
    return written;
  }

  private Path fisherOfB(Path knownFisher) {
    return changed("b.fisher.safetensors", knownFisher, (f, i) -> f * (i % 3));
  }

  private Path yaml(Path model, String examples, Path fisherOfB, String method) throws IOException {
    Path b = changed("b.safetensors", model, (value, i) -> value + 0.1 * Math.cos(i));
    return Files.writeString(
        directory.resolve("merge.yaml"),
        """
        base: %s
        models:
          - name: a
            checkpoint: %s
            examples: %s
          - name: b
            checkpoint: %s
            fisher: %s
        method:
        %s
        """
            .formatted(
                model.toAbsolutePath(),
                model.toAbsolutePath(),
                examples,
                b,
                fisherOfB,
                method.indent(2)));
  }

  private static double largest(Map<String, float[]> tensors) {
    double largest = 0;
    for (float[] values : tensors.values()) {
      for (float value : values) {
        largest = Math.max(largest, value);
      }
    }
    return largest;
  }

  /** The formula in float64, with the Fisher that is known from elsewhere. */
  private void assertIsTheMerge(Path merged, Path model, Path knownFisher, double epsilon) {
    Map<String, float[]> found = CommandPool.tensors(merged);
    Map<String, float[]> a = CommandPool.tensors(model);
    Map<String, float[]> b = CommandPool.tensors(directory.resolve("b.safetensors"));
    Map<String, float[]> fisherA = CommandPool.tensors(knownFisher);
    Map<String, float[]> fisherB = CommandPool.tensors(directory.resolve("b.fisher.safetensors"));
    assertThat(found).hasSameSizeAs(a);
    for (String name : a.keySet()) {
      for (int i = 0; i < a.get(name).length; i++) {
        double weightA = fisherA.get(name)[i] + epsilon;
        double weightB = fisherB.get(name)[i] + epsilon;
        double expected =
            (weightA * a.get(name)[i] + weightB * b.get(name)[i]) / (weightA + weightB);
        // b is 0.1 · cos away, and epsilon as large as any entry: so much moves the result by less.
        assertThat(Math.abs(found.get(name)[i] - expected))
            .as("%s[%d]", name, i)
            .isLessThan(TOLERANCE * 0.1 + 1e-6 * Math.abs(expected));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "gpt2, exact, 8",
    "gpt2, fusion_bench, 3",
    "clip-vit, empirical, 2",
    "bert, exact, 4",
    "roberta, empirical, 3",
    "distilbert, exact, 7",
    "vit, exact, 3",
    "llama-cls-left, exact, 8",
    "gpt2-lm, exact, 8",
    "llama-lm-tied, empirical, 4",
    "t5-gated, empirical, 4"
  })
  void mergesWithTheFisherThatItsExamplesHave(String model, String estimator, int batchSize)
      throws IOException {
    Path folder = GRADIENT.resolve(model).toAbsolutePath();
    Path checkpoint = folder.resolve("model.safetensors");
    Path knownFisher = folder.resolve("expected-" + estimator + ".safetensors");
    double epsilon = largest(CommandPool.tensors(knownFisher));
    String examples = folder.resolve("examples.safetensors").toString();
    long count = infos(Path.of(examples)).get(0).shape().get(0);
    Path head = folder.resolve("head.safetensors");
    Path yaml =
        yaml(
            checkpoint,
            Files.exists(head) ? examples + "\n    head: " + head : examples,
            fisherOfB(knownFisher),
            String.format(
                Locale.ROOT,
                """
            normalize_fisher_weight: false
            minimal_fisher_weight: %s
            num_fisher_examples: %d
            estimator: %s
            batch_size: %d
            """,
                epsilon,
                count,
                estimator,
                batchSize));
    Path merged = directory.resolve("merged.safetensors");
    CommandOutput output = merge(yaml, merged);
    assertThat(output.exit()).as(output.err()).isZero();
    assertIsTheMerge(merged, checkpoint, knownFisher, epsilon);
    assertThat(output.err())
        .containsPattern("check examples of a: " + count + " examples in \\S+ s, \\S+ examples/s")
        .containsPattern("stream a: \\d+ [KM]iB")
        .containsPattern("fisher of a: " + count + " examples in \\S+ s, \\S+ examples/s");
  }

  /** {@code exact_vocabulary} means what {@code fisher --exact-vocabulary} means. */
  @Test
  void aVocabularyLargerThanExactVocabularyIsRejected() throws IOException {
    Path folder = GRADIENT.resolve("llama-lm").toAbsolutePath();
    Path checkpoint = folder.resolve("model.safetensors");
    Path yaml =
        yaml(
            checkpoint,
            folder.resolve("examples.safetensors").toString(),
            fisherOfB(folder.resolve("expected-exact.safetensors")),
            """
            num_fisher_examples: 6
            estimator: exact
            exact_vocabulary: 39
            """);

    CommandOutput output = merge(yaml, directory.resolve("merged.safetensors"));

    assertThat(output.exit()).isEqualTo(1);
    assertThat(output.err()).contains("40 tokens, more than 39").contains("exact_vocabulary");
  }

  /** {@code max_length} means what {@code fisher --max-length} means. */
  @Test
  void mergesWithTheFisherOfTextsThatAreCut() throws IOException {
    Path folder = GRADIENT.resolve("llama-lm").toAbsolutePath();
    Path checkpoint = folder.resolve("model.safetensors");
    String examples = folder.resolve("examples.safetensors").toString();
    Path known = directory.resolve("known.safetensors");
    String[] fisher = {
      "fisher",
      "--model=" + checkpoint,
      "--examples",
      examples,
      "--num-examples",
      "6",
      "--estimator",
      "empirical",
      "--max-length",
      "5",
      "-o",
      known.toString()
    };
    assertThat(Main.commandLine().execute(fisher)).isZero();
    double epsilon = largest(CommandPool.tensors(known));
    Path yaml =
        yaml(
            checkpoint,
            examples + "\n    max_length: 5",
            fisherOfB(known),
            """
            normalize_fisher_weight: false
            minimal_fisher_weight: %s
            num_fisher_examples: 6
            estimator: empirical
            """
                .formatted(epsilon));
    Path merged = directory.resolve("merged.safetensors");

    CommandOutput output = merge(yaml, merged);

    assertThat(output.exit()).as(output.err()).isZero();
    assertIsTheMerge(merged, checkpoint, known, epsilon);
    assertThat(output.err()).containsOnlyOnce("6 examples had more than 5 tokens and were cut");
  }

  /** The hub's base has no prefix; the fine-tuned classifier has one, and runs with it. */
  @Test
  void aModelWithExamplesMayHaveAnotherPrefixThanTheBase() throws IOException {
    Path checkpoint = GRADIENT.resolve("gpt2/model.safetensors").toAbsolutePath();
    double epsilon = largest(CommandPool.tensors(gpt2Fisher()));
    Path yaml =
        gpt2(
            gpt2Examples(),
            fisherOfB(gpt2Fisher()),
            """
            normalize_fisher_weight: false
            minimal_fisher_weight: %s
            num_fisher_examples: 7
            """
                .formatted(epsilon));
    renamed(checkpoint, directory.resolve("hub.safetensors"), "transformer\\.", "");
    Files.writeString(
        yaml, Files.readString(yaml).replaceFirst("base: .*", "base: hub.safetensors"));
    Path merged = directory.resolve("merged.safetensors");

    CommandOutput output = merge(yaml, merged);

    assertThat(output.exit()).as(output.err()).isZero();
    assertThat(output.err()).contains("its tensors are read without the prefix 'transformer.'");
    Path asTheModel = directory.resolve("as-the-model.safetensors");
    renamed(merged, asTheModel, "^(?!score)", "transformer.");
    assertIsTheMerge(asTheModel, checkpoint, gpt2Fisher(), epsilon);
  }

  private static void renamed(Path from, Path to, String pattern, String replacement) {
    Map<String, float[]> tensors = new LinkedHashMap<>();
    CommandPool.tensors(from)
        .forEach((name, v) -> tensors.put(name.replaceFirst(pattern, replacement), v));
    List<TensorInfo> infos =
        infos(from).stream()
            .map(
                info ->
                    new TensorInfo(
                        info.name().replaceFirst(pattern, replacement), info.dtype(), info.shape()))
            .toList();
    CommandPool.write(to, infos, tensors);
  }

  @Test
  void aTorchScriptModelRunsAsTheOperatorsModule() throws IOException {
    Path checkpoint = TORCHSCRIPT.resolve("model.safetensors");
    Path knownFisher = TORCHSCRIPT.resolve("expected-exact.safetensors");
    double epsilon = largest(CommandPool.tensors(knownFisher));
    Path modules = Files.createDirectory(directory.resolve("modules"));
    Path yaml =
        yaml(
            checkpoint,
            TORCHSCRIPT.resolve("examples.safetensors").toAbsolutePath().toString(),
            fisherOfB(knownFisher),
            """
            normalize_fisher_weight: false
            minimal_fisher_weight: %s
            num_fisher_examples: 5
            """
                .formatted(epsilon));
    Path config =
        Files.writeString(
            directory.resolve("operator.yaml"), "gradient:\n  torchscript_directory: modules\n");
    Path merged = directory.resolve("merged.safetensors");
    assertThat(merge(yaml, merged, "--config", config.toString()))
        .satisfies(
            output -> {
              assertThat(output.exit()).isEqualTo(1);
              assertThat(output.err()).contains("config.json");
            });
    Files.copy(TORCHSCRIPT.resolve("net.pt"), modules.resolve("a.pt"));
    CommandOutput output = merge(yaml, merged, "--config", config.toString());
    assertThat(output.exit()).as(output.err()).isZero();
    assertIsTheMerge(merged, checkpoint, knownFisher, epsilon);
  }

  private Path gpt2(String examples, Path fisherOfB, String method) throws IOException {
    return yaml(
        GRADIENT.resolve("gpt2/model.safetensors").toAbsolutePath(), examples, fisherOfB, method);
  }

  private static String gpt2Examples() {
    return GRADIENT.resolve("gpt2/examples.safetensors").toAbsolutePath().toString();
  }

  private static Path gpt2Fisher() {
    return GRADIENT.resolve("gpt2/expected-exact.safetensors");
  }

  @Test
  void bytesAreTheSameInAnyNumberOfPartitionsAndOnARealClusterWhereNothingIsLeft()
      throws Exception {
    Path yaml =
        gpt2(
            gpt2Examples(),
            fisherOfB(gpt2Fisher()),
            "num_fisher_examples: 7\nestimator: sampled\nsamples: 3\nseed: 5\nbatch_size: 2");
    Path reference = directory.resolve("reference.safetensors");
    assertThat(merge(yaml, reference, "--partitions", "1").exit()).isZero();
    Path local = directory.resolve("local.safetensors");
    assertThat(merge(yaml, local, "--partitions", "3").exit()).isZero();
    assertThat(local).hasSameBinaryContentAs(reference);
    Path remote = directory.resolve("remote.safetensors");
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start();
        Admin admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {
      CommandOutput output =
          merge(
              yaml,
              remote,
              "--bootstrap-servers",
              broker.bootstrapServers(),
              "--schema-registry",
              registry.url());
      assertThat(output.exit()).as(output.err()).isZero();
      assertThat(admin.listTopics().names().get()).isEmpty();
      assertThat(admin.listGroups().all().get()).isEmpty();
    }
    assertThat(remote).hasSameBinaryContentAs(reference);
  }

  /** The seven examples of the GPT-2 case with other numbers. */
  private String examples(LongUnaryOperator token, LongUnaryOperator label) {
    Path file = directory.resolve("examples.safetensors");
    try (Checkpoint given = Checkpoint.open(Path.of(gpt2Examples()));
        CheckpointWriter writer =
            CheckpointWriter.file(file, List.copyOf(given.tensors().values()), Map.of())) {
      for (TensorInfo tensor : given.tensors().values()) {
        int elements = (int) tensor.elements();
        long[] values = new long[elements];
        given
            .slice(tensor.name(), 0, elements)
            .order(ByteOrder.LITTLE_ENDIAN)
            .asLongBuffer()
            .get(values);
        if (tensor.name().equals("input_ids")) {
          Arrays.setAll(values, i -> token.applyAsLong(i) >= 0 ? token.applyAsLong(i) : values[i]);
        } else if (tensor.name().equals("labels")) {
          Arrays.setAll(values, i -> label.applyAsLong(i) >= 0 ? label.applyAsLong(i) : values[i]);
        }
        ByteBuffer bytes = ByteBuffer.allocate(elements * 8).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(values);
        writer.write(tensor.name(), 0, bytes);
      }
      writer.commit();
    }
    return file.toString();
  }

  private void assertRejectedBeforeAnythingIsStreamed(Path yaml, String... reasons) {
    Path merged = directory.resolve("merged.safetensors");
    CommandOutput output = merge(yaml, merged);
    assertThat(output.exit()).as(output.err()).isEqualTo(1);
    assertThat(output.err()).contains(reasons).doesNotContain("stream base");
    assertThat(merged).doesNotExist();
  }

  @Test
  void examplesThatDoNotSuitTheirModelAreRejectedBeforeAnythingIsStreamed() throws IOException {
    Path fisher = fisherOfB(gpt2Fisher());
    String seven = "num_fisher_examples: 7";
    assertRejectedBeforeAnythingIsStreamed(
        gpt2(gpt2Examples(), fisher, "num_fisher_examples: 8"),
        "examples.safetensors: expected 8 examples, found 7");
    assertRejectedBeforeAnythingIsStreamed(
        gpt2(examples(i -> -1, i -> i == 6 ? 3 : -1), fisher, seven),
        "examples.safetensors: example 6: label 3 is not in 0 … 2");
    assertRejectedBeforeAnythingIsStreamed(
        gpt2(examples(i -> i == 5 * 12 ? 101 : -1, i -> -1), fisher, seven),
        "examples.safetensors: example 5: input_ids[0] is 101, outside the vocabulary 0 … 100");
    Path other = Files.createDirectory(directory.resolve("other"));
    Path model = other.resolve("model.safetensors");
    Files.copy(GRADIENT.resolve("gpt2/model.safetensors"), model);
    Files.writeString(
        other.resolve("config.json"),
        Files.readString(GRADIENT.resolve("gpt2/config.json")).replace("101", "100"));
    assertRejectedBeforeAnythingIsStreamed(
        yaml(model, gpt2Examples(), fisher, seven), "transformer.wte.weight", "100", "101");
  }

  @Test
  void aTakeoverThatOnlyTheEstimatedFisherShowsIsToldAndRejectedUnderStrict() throws IOException {
    Path large = changed("b.fisher.safetensors", gpt2Fisher(), (f, i) -> f * 1e8);
    Path yaml = gpt2(gpt2Examples(), large, "num_fisher_examples: 7\nminimal_fisher_weight: 100");
    Path merged = directory.resolve("merged.safetensors");
    CommandOutput strict = merge(yaml, merged, "--strict");
    assertThat(strict.exit()).isEqualTo(1);
    assertThat(strict.err()).contains("rejected by --strict: model 'a' takes over the merge");
    assertThat(merged).doesNotExist();
  }

  @Test
  void aFisherOfZeroThatCannotBeNormalisedIsRejected() throws IOException {
    Path folder = Files.createDirectory(directory.resolve("sure"));
    List<TensorInfo> tensors =
        List.of(
            new TensorInfo("layers.0.weight", DType.F32, List.of(2L, 2L)),
            new TensorInfo("layers.0.bias", DType.F32, List.of(2L)));
    Path model = folder.resolve("model.safetensors");
    CommandPool.write(
        model,
        tensors,
        Map.of("layers.0.weight", new float[4], "layers.0.bias", new float[] {0, 2000}));
    Files.writeString(
        folder.resolve("config.json"),
        "{\"model_type\": \"mlp\", \"input_size\": 2, \"hidden_sizes\": [], \"num_labels\": 2}");
    Path examples = directory.resolve("examples.safetensors");
    try (CheckpointWriter writer =
        CheckpointWriter.file(
            examples,
            List.of(
                new TensorInfo("pixel_values", DType.F32, List.of(1L, 2L)),
                new TensorInfo("labels", DType.I64, List.of(1L))),
            Map.of())) {
      writer.write("pixel_values", 0, ByteBuffer.allocate(8));
      writer.write("labels", 0, ByteBuffer.allocate(8));
      writer.commit();
    }
    Path yaml =
        yaml(
            model,
            examples.toString(),
            changed("b.fisher.safetensors", model, (value, i) -> 1),
            "num_fisher_examples: 1\nminimal_fisher_weight: 0");
    Path merged = directory.resolve("merged.safetensors");
    CommandOutput output = merge(yaml, merged);
    assertThat(output.exit()).as(output.err()).isEqualTo(1);
    assertThat(output.err()).contains("model 'a': its Fisher is zero everywhere");
    assertThat(merged).doesNotExist();
  }
}
