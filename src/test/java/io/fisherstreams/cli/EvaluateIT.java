package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The {@code evaluate} command on a pool of small MLPs, each with a head of its own, against the
 * merge formula and the networks written out in float64.
 */
final class EvaluateIT {
  private static final int INPUTS = 5;
  private static final int HIDDEN = 7;
  private static final int EXAMPLES = 40;
  private static final double EPSILON = 1e-3;

  @TempDir private Path directory;

  private final Network base = new Network(1, 2);
  private final Network first = new Network(2, 3);
  private final Network second = new Network(3, 4);
  private final Network firstFisher = new Network(4, 3).squared();
  private final Network secondFisher = new Network(5, 4).squared();
  private Path yaml;

  /** A network of one hidden layer, and a head of some classes. */
  private static final class Network {
    final int classes;
    final Map<String, float[]> tensors = new LinkedHashMap<>();

    Network(long seed, int classes) {
      this.classes = classes;
      Random random = new Random(seed);
      for (TensorInfo tensor : infos()) {
        float[] values = new float[(int) tensor.elements()];
        for (int i = 0; i < values.length; i++) {
          values[i] = (float) random.nextGaussian();
        }
        tensors.put(tensor.name(), values);
      }
    }

    Network squared() {
      tensors.values().forEach(values -> square(values));
      return this;
    }

    private static void square(float[] values) {
      for (int i = 0; i < values.length; i++) {
        values[i] *= values[i];
      }
    }

    List<TensorInfo> infos() {
      long width = HIDDEN;
      return List.of(
          new TensorInfo("layers.0.weight", DType.F32, List.of(width, (long) INPUTS)),
          new TensorInfo("layers.0.bias", DType.F32, List.of(width)),
          new TensorInfo("layers.1.weight", DType.F32, List.of((long) classes, width)),
          new TensorInfo("layers.1.bias", DType.F32, List.of((long) classes)));
    }

    double[] body(String tensor) {
      float[] values = tensors.get(tensor);
      double[] body = new double[values.length];
      for (int i = 0; i < body.length; i++) {
        body[i] = values[i];
      }
      return body;
    }

    void write(Path file) {
      CommandPool.write(file, infos(), tensors);
    }

    void writeFolder(Path folder) throws IOException {
      Files.createDirectories(folder);
      write(folder.resolve("model.safetensors"));
      Files.writeString(
          folder.resolve("config.json"),
          String.format(
              Locale.ROOT,
              ("{\"model_type\": \"mlp\", \"input_size\": %d, \"hidden_sizes\": [%d],"
                  + " \"num_labels\": %d, \"activation\": \"tanh\"}"),
              INPUTS,
              HIDDEN,
              classes));
    }
  }

  /** Random inputs and labels. */
  private static final class Examples {
    final float[] inputs = new float[EXAMPLES * INPUTS];
    final long[] labels = new long[EXAMPLES];

    Examples(long seed, int classes) {
      Random random = new Random(seed);
      for (int i = 0; i < inputs.length; i++) {
        inputs[i] = (float) random.nextGaussian();
      }
      for (int i = 0; i < EXAMPLES; i++) {
        labels[i] = random.nextInt(classes);
      }
    }

    void write(Path file) {
      List<TensorInfo> tensors =
          List.of(
              new TensorInfo("pixel_values", DType.F32, List.of((long) EXAMPLES, (long) INPUTS)),
              new TensorInfo("labels", DType.I64, List.of((long) EXAMPLES)));
      ByteBuffer bytes = ByteBuffer.allocate(EXAMPLES * 8).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asLongBuffer().put(labels);
      try (CheckpointWriter writer = CheckpointWriter.file(file, tensors, Map.of())) {
        writer.write("pixel_values", 0, floats(inputs));
        writer.write("labels", 0, bytes);
        writer.commit();
      }
    }

    /** Accuracy and mean log-likelihood of a body under a head, in float64. */
    double[] measure(double[] weight, double[] bias, Network head) {
      double hits = 0;
      double total = 0;
      for (int i = 0; i < EXAMPLES; i++) {
        double[] hidden = new double[HIDDEN];
        for (int h = 0; h < HIDDEN; h++) {
          double sum = bias[h];
          for (int j = 0; j < INPUTS; j++) {
            sum += weight[h * INPUTS + j] * inputs[i * INPUTS + j];
          }
          hidden[h] = Math.tanh(sum);
        }
        double[] logits = head.body("layers.1.bias");
        double[] rows = head.body("layers.1.weight");
        int best = 0;
        double normalizer = 0;
        for (int c = 0; c < logits.length; c++) {
          for (int h = 0; h < HIDDEN; h++) {
            logits[c] += rows[c * HIDDEN + h] * hidden[h];
          }
          normalizer += Math.exp(logits[c]);
          best = logits[c] > logits[best] ? c : best;
        }
        hits += best == labels[i] ? 1 : 0;
        total += logits[(int) labels[i]] - Math.log(normalizer);
      }
      return new double[] {hits / EXAMPLES, total / EXAMPLES};
    }
  }

  private final Examples firstTask = new Examples(6, 3);
  private final Examples secondTask = new Examples(7, 4);

  private static ByteBuffer floats(float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes;
  }

  @BeforeEach
  void writeThePool() throws IOException {
    base.writeFolder(directory.resolve("base"));
    first.writeFolder(directory.resolve("first"));
    second.writeFolder(directory.resolve("second"));
    firstFisher.write(directory.resolve("first-fisher.safetensors"));
    secondFisher.write(directory.resolve("second-fisher.safetensors"));
    firstTask.write(directory.resolve("first-test.safetensors"));
    secondTask.write(directory.resolve("second-test.safetensors"));
    yaml =
        Files.writeString(
            directory.resolve("merge.yaml"),
            """
            base: base
            models:
              - name: first
                checkpoint: first
                fisher: first-fisher.safetensors
                evaluation_examples: first-test.safetensors
              - name: second
                checkpoint: second
                fisher: second-fisher.safetensors
                evaluation_examples: second-test.safetensors
            method:
              exclude_param_names_regex: ['layers.1']
              normalize_fisher_weight: false
              minimal_fisher_weight: %s
            """
                .formatted(EPSILON));
  }

  private double[] merged(String tensor) {
    return weighted(tensor, firstFisher.body(tensor), secondFisher.body(tensor), EPSILON);
  }

  private double[] averaged(String tensor) {
    double[] none = new double[first.body(tensor).length];
    return weighted(tensor, none, none, 1);
  }

  private double[] weighted(String tensor, double[] one, double[] other, double epsilon) {
    double[] result = new double[one.length];
    for (int j = 0; j < result.length; j++) {
      double upper =
          (one[j] + epsilon) * first.body(tensor)[j]
              + (other[j] + epsilon) * second.body(tensor)[j];
      result[j] = upper / (one[j] + other[j] + 2 * epsilon);
    }
    return result;
  }

  @Test
  void aMergeYamlIsEvaluatedOnEveryTaskUnderItsOwnHead() throws IOException {
    evaluateTheMergeYaml(List.of());
  }

  /** As torch.compile and a training module name them. */
  @Test
  void modelsWhoseNamesToolsHaveChangedGiveTheSameFigures() throws IOException {
    rename("first", "_orig_mod.module.");
    rename("second", "model.");
    evaluateTheMergeYaml(List.of());
  }

  private void rename(String model, String prefix) {
    Network network = model.equals("first") ? first : second;
    List<TensorInfo> infos =
        network.infos().stream()
            .map(tensor -> new TensorInfo(prefix + tensor.name(), tensor.dtype(), tensor.shape()))
            .toList();
    Map<String, float[]> tensors = new LinkedHashMap<>();
    network.tensors.forEach((name, values) -> tensors.put(prefix + name, values));
    CommandPool.write(directory.resolve(model).resolve("model.safetensors"), infos, tensors);
  }

  private void evaluateTheMergeYaml(List<String> options) throws IOException {
    Path json = directory.resolve("merge-figures.json");
    List<String> line = new ArrayList<>(List.of("evaluate", yaml.toString(), "--json=" + json));
    line.addAll(options);
    CommandOutput output = CommandOutput.of(line.toArray(String[]::new));
    assertThat(output.exit()).as(output.err()).isZero();
    JsonNode models = new ObjectMapper().readTree(json.toFile()).get("models");
    assertThat(models.findValuesAsText("model"))
        .containsExactly("merged", "plain average", "base", "first", "second");
    assertThat(models.findValuesAsText("kind"))
        .containsExactly("merged", "plain_average", "base", "fine_tuned", "fine_tuned");
    String weight = "layers.0.weight";
    String bias = "layers.0.bias";
    compare(models.get(0), merged(weight), merged(bias));
    compare(models.get(1), averaged(weight), averaged(bias));
    compare(models.get(2), base.body(weight), base.body(bias));
    compare(models.get(3), first.body(weight), first.body(bias));
    compare(models.get(4), second.body(weight), second.body(bias));
    assertThat(output.out())
        .containsPattern("accuracy in % +first +second +average\nmerged ")
        .containsPattern("mean log-likelihood +first +second +average\nmerged +-\\d");
  }

  private double[] added(String tensor) {
    double[] sum = base.body(tensor);
    for (int j = 0; j < sum.length; j++) {
      double start = base.body(tensor)[j];
      sum[j] += 0.3 * (first.body(tensor)[j] + second.body(tensor)[j] - 2 * start);
    }
    return sum;
  }

  @Test
  void severalMethodsAreComparedAndReportedAsFusionBenchDoes() throws IOException {
    Files.writeString(
        yaml, Files.readString(yaml) + "compare: [task_arithmetic, {scale: 0, name: fisher}]\n");
    Path json = directory.resolve("compared.json");
    Path report = directory.resolve("report.json");
    CommandOutput output =
        CommandOutput.of(
            "evaluate", yaml.toString(), "--json=" + json, "--fusion-bench-json=" + report);
    assertThat(output.exit()).as(output.err()).isZero();
    JsonNode models = new ObjectMapper().readTree(json.toFile()).get("models");
    assertThat(models.findValuesAsText("model"))
        .containsExactly(
            "merged",
            "task_arithmetic",
            "fisher scale 0",
            "plain average",
            "base",
            "first",
            "second");
    assertThat(models.findValuesAsText("kind").subList(0, 4))
        .containsExactly("merged", "merged", "merged", "plain_average");
    compare(models.get(0), merged("layers.0.weight"), merged("layers.0.bias"));
    compare(models.get(1), added("layers.0.weight"), added("layers.0.bias"));
    compare(models.get(2), base.body("layers.0.weight"), base.body("layers.0.bias"));

    JsonNode reports = new ObjectMapper().readTree(report.toFile());
    assertThat(reports.fieldNames())
        .toIterable()
        .containsExactly("merged", "task_arithmetic", "fisher scale 0");
    JsonNode one = reports.get("task_arithmetic");
    assertThat(one.fieldNames())
        .toIterable()
        .containsExactly("model_info", "first", "second", "average");
    JsonNode figures = models.get(1);
    assertThat(one.get("first").get("accuracy"))
        .isEqualTo(figures.get("tasks").get("first").get("accuracy"));
    assertThat(one.get("first").get("loss").asDouble())
        .isEqualTo(-figures.get("tasks").get("first").get("mean_log_likelihood").asDouble());
    assertThat(one.get("average").get("accuracy")).isEqualTo(figures.get("mean_accuracy"));
    assertThat(one.get("average").get("loss").asDouble())
        .isCloseTo(-figures.get("mean_log_likelihood").asDouble(), within(1e-15));
    int parameters = HIDDEN * INPUTS + HIDDEN + base.classes * HIDDEN + base.classes;
    assertThat(one.get("model_info").get("all_params").asInt()).isEqualTo(parameters);
  }

  private void compare(JsonNode found, double[] weight, double[] bias) {
    double[] one = firstTask.measure(weight, bias, first);
    double[] other = secondTask.measure(weight, bias, second);
    compare(found.get("tasks").get("first"), one);
    compare(found.get("tasks").get("second"), other);
    assertThat(found.get("mean_accuracy").asDouble())
        .isCloseTo((one[0] + other[0]) / 2, within(1e-12));
    assertThat(found.get("mean_log_likelihood").asDouble())
        .isCloseTo((one[1] + other[1]) / 2, within(1e-5));
  }

  private static void compare(JsonNode found, double[] expected) {
    assertThat(found.get("examples").asInt()).isEqualTo(EXAMPLES);
    assertThat(found.get("accuracy").asDouble()).isEqualTo(expected[0]);
    assertThat(found.get("mean_log_likelihood").asDouble()).isCloseTo(expected[1], within(1e-5));
  }

  @Test
  void whatDoesNotFitIsRejectedAndNoFileIsLeft() throws IOException {
    Path json = directory.resolve("figures.json");
    new Examples(8, 9).write(directory.resolve("second-test.safetensors"));
    CommandOutput labels = CommandOutput.of("evaluate", yaml.toString(), "--json", json.toString());
    assertThat(labels.exit()).isEqualTo(1);
    assertThat(labels.err())
        .containsPattern("second-test.safetensors: example \\d+: label \\d is not in 0 … 3");
    Path none =
        Files.writeString(
            directory.resolve("none.yaml"),
            Files.readString(yaml).replaceAll(" *evaluation_examples.*\n", ""));
    CommandOutput nothing =
        CommandOutput.of("evaluate", none.toString(), "--json", json.toString());
    assertThat(nothing.exit()).isEqualTo(1);
    assertThat(nothing.err()).contains("none.yaml: no model has evaluation_examples");
    assertThat(json).doesNotExist();
    assertThat(CommandOutput.of("evaluate", yaml.toString(), "--json", yaml.toString()).err())
        .contains("is one of the inputs");
    for (String file : List.of("first/model.safetensors", "first/config.json")) {
      assertThat(
              CommandOutput.of(
                      "evaluate",
                      "--model=" + directory.resolve("first"),
                      "--examples=" + directory.resolve("first-test.safetensors"),
                      "--json=" + directory.resolve(file))
                  .err())
          .contains(file + " is one of the inputs");
    }
    assertThat(
            CommandOutput.of("evaluate", yaml.toString(), "--json", directory + "/no/x.json").err())
        .contains("expected a file in a folder that exists");
    assertThat(CommandOutput.of("evaluate").exit()).isEqualTo(2);
    CommandOutput absent = CommandOutput.of("evaluate", "--model", "7", "--examples", "x.jsonl");
    assertThat(absent.exit()).isEqualTo(1);
    assertThat(absent.err())
        .contains("7: no such checkpoint; to evaluate a release of a pool, also give");
  }

  @Test
  void aReleaseIsEvaluatedUnderTheHeadOfOneOfItsModels() throws IOException {
    PlanPolicy both =
        new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of("first", "second"));
    try (CommandPool pool = new CommandPool(directory, 2, both)) {
      publish(
          pool,
          "checkpoint",
          "base",
          "base",
          "--base",
          "--exclude",
          "layers.1",
          "--no-normalize",
          "--minimal-fisher-weight",
          Double.toString(EPSILON));
      for (String model : List.of("first", "second")) {
        publish(pool, "checkpoint", model, model);
        publish(pool, "fisher", model + "-fisher.safetensors", model);
      }
      Release release =
          pool.awaitRelease("both models", r -> r.getStatus() == ReleaseStatus.COMPLETE);
      rename("second", "model.");
      Path json = directory.resolve("figures.json");
      List<String> line =
          new ArrayList<>(
              List.of(
                  "evaluate",
                  "--model=" + release.getRelease(),
                  "--folder=" + directory.resolve("second"),
                  "--examples=" + directory.resolve("second-test.safetensors"),
                  "--json=" + json));
      line.addAll(pool.connection());
      CommandOutput output = CommandOutput.of(line.toArray(String[]::new));
      assertThat(output.exit()).as(output.err()).isZero();
      compare(
          new ObjectMapper().readTree(json.toFile()),
          secondTask.measure(merged("layers.0.weight"), merged("layers.0.bias"), second));
      line.set(1, "--model=99");
      assertThat(CommandOutput.of(line.toArray(String[]::new)).err())
          .contains("there is no release 99");
    }
  }

  @Test
  void aMergeYamlIsMergedOnACluster() throws Exception {
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start();
        Admin admin = new KafkaSettings(broker.bootstrapServers(), Map.of()).admin()) {
      Path client = Files.writeString(directory.resolve("client.properties"), "client.id=told\n");
      evaluateTheMergeYaml(
          List.of(
              "--bootstrap-servers=" + broker.bootstrapServers(),
              "--schema-registry=" + registry.url(),
              "--command-config=" + client));
      assertThat(admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get())
          .as("it ran here, and its own topics are gone")
          .containsExactlyInAnyOrder("__consumer_offsets", "__transaction_state");
    }
  }

  @Test
  void aMergeYamlOfTorchScriptModelsIsEvaluatedInTheirModule() throws IOException {
    Path files = Path.of("src", "test", "resources", "torchscript").toAbsolutePath();
    Path modules =
        Files.writeString(
            directory.resolve("modules.yaml"),
            """
            base: %1$s/model.safetensors
            models:
              - name: a
                checkpoint: %1$s/model.safetensors
                fisher: %1$s/expected-exact.safetensors
                evaluation_examples: %1$s/examples.safetensors
            """
                .formatted(files));
    Path json = directory.resolve("figures.json");
    String module = "--torchscript=" + files.resolve("net.pt");
    CommandOutput merged =
        CommandOutput.of("evaluate", modules.toString(), module, "--json=" + json);
    assertThat(merged.exit()).as(merged.err()).isZero();
    JsonNode models = new ObjectMapper().readTree(json.toFile()).get("models");
    CommandOutput one =
        CommandOutput.of(
            "evaluate",
            "--model=" + files.resolve("model.safetensors"),
            "--examples=" + files.resolve("examples.safetensors"),
            module,
            "--json=" + json);
    assertThat(one.exit()).as(one.err()).isZero();
    JsonNode alone = new ObjectMapper().readTree(json.toFile());
    assertThat(models).as("merged, average, base, a").hasSize(4);
    for (JsonNode model : models) {
      assertThat(model.get("mean_accuracy").asDouble()).isEqualTo(alone.get("accuracy").asDouble());
      assertThat(model.get("mean_log_likelihood").asDouble())
          .isCloseTo(alone.get("mean_log_likelihood").asDouble(), within(1e-5));
    }
    assertThat(CommandOutput.of("evaluate", modules.toString()).exit())
        .as("without the module")
        .isEqualTo(1);
  }

  private void publish(
      CommandPool pool, String kind, String file, String model, String... options) {
    List<String> line =
        new ArrayList<>(
            List.of("publish", kind, directory.resolve(file).toString(), "--model", model));
    line.addAll(List.of(options));
    pool.output(line.toArray(String[]::new));
  }
}
