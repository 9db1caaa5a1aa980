package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The {@code merge} command, straight from the files and through the stages, against values from an
 * independent float64 reference.
 */
final class MergeConformanceIT {
  private static final Path ROOT = Path.of("src/test/resources/conformance");
  private static final Path CASES = ROOT.resolve("merge");

  @TempDir private Path directory;

  static Stream<String> cases() throws IOException {
    List<String> names = new ArrayList<>();
    for (String kind : List.of("merge", "methods")) {
      try (Stream<Path> folders = Files.list(ROOT.resolve(kind))) {
        folders.forEach(folder -> names.add(kind + "/" + folder.getFileName()));
      }
    }
    Collections.sort(names);
    assertThat(names).hasSize(21 + 17);
    return names.stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void mergesAsTheReferenceDoes(String name) {
    Path output = directory.resolve("merged.safetensors");
    assertThat(merge(ROOT.resolve(name).resolve("merge.yaml"), output)).isZero();
    Path streamed = directory.resolve("streamed.safetensors");
    assertThat(merge(ROOT.resolve(name).resolve("merge.yaml"), streamed, "--embedded-pipeline"))
        .isZero();
    assertThat(streamed).hasSameBinaryContentAs(output); // the release's checksum is in its header
    Path byNd4j = directory.resolve("nd4j.safetensors");
    assertThat(merge(ROOT.resolve(name).resolve("merge.yaml"), byNd4j, "--kernel", "nd4j"))
        .isZero();
    assertThat(byNd4j).hasSameBinaryContentAs(output);
    try (Checkpoint merged = Checkpoint.open(output);
        Checkpoint base = Checkpoint.open(ROOT.resolve(name).resolve("base.safetensors"));
        Checkpoint expected = Checkpoint.open(ROOT.resolve(name).resolve("expected.safetensors"))) {
      assertThat(merged.tensors()).isEqualTo(base.tensors());
      for (TensorInfo tensor : base.tensors().values()) {
        ByteBuffer found = all(merged, tensor);
        if (!expected.tensors().containsKey(tensor.name())) {
          assertThat(tensor.dtype().mergeable()).as(tensor.name()).isFalse();
          assertThat(found).as(tensor.name()).isEqualTo(all(base, tensor));
        } else if (isExcluded(name, tensor.name())) {
          assertThat(found).as(tensor.name()).isEqualTo(all(base, tensor));
        } else {
          compare(tensor, found, all(expected, expected.tensors().get(tensor.name())));
        }
      }
    }
  }

  private static boolean isExcluded(String name, String parameter) {
    try {
      Matcher patterns =
          Pattern.compile("exclude_param_names_regex: \\['(.*)'\\]")
              .matcher(Files.readString(ROOT.resolve(name).resolve("merge.yaml")));
      return patterns.find() && Pattern.compile(patterns.group(1)).matcher(parameter).lookingAt();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void compare(TensorInfo tensor, ByteBuffer found, ByteBuffer expected) {
    int elements = (int) tensor.elements();
    if (tensor.dtype() == DType.F32) {
      double largest = 0;
      double worst = 0;
      for (int j = 0; j < elements; j++) {
        double wanted = expected.getDouble(j * 8);
        largest = Math.max(largest, Math.abs(wanted));
        worst = Math.max(worst, Math.abs(found.getFloat(j * 4) - wanted));
      }
      assertThat(worst).as(tensor.name()).isLessThanOrEqualTo(1e-6 * largest);
      return;
    }
    int off = 0;
    for (int j = 0; j < elements; j++) {
      double wanted = expected.getDouble(j * 8);
      short bits = found.getShort(j * 2);
      double distance = Math.abs(value(tensor.dtype(), bits) - wanted);
      double above = Math.abs(value(tensor.dtype(), (short) (bits + 1)) - wanted);
      double below = Math.abs(value(tensor.dtype(), (short) (bits - 1)) - wanted);
      if (distance > above || distance > below) {
        off++;
        double next =
            Math.abs(
                value(tensor.dtype(), (short) (bits + 1))
                    - value(tensor.dtype(), (short) (bits - 1)));
        assertThat(distance).as("%s[%d]", tensor.name(), j).isLessThanOrEqualTo(next);
      }
    }
    assertThat(off)
        .as("%s: entries off by one unit", tensor.name())
        .isLessThanOrEqualTo(elements / 10_000);
  }

  /** The value of 16 bits, by the formats' definitions. */
  private static double value(DType dtype, short bits) {
    int exponentBits = dtype == DType.BF16 ? 8 : 5;
    int fractionBits = 15 - exponentBits;
    int bias = (1 << (exponentBits - 1)) - 1;
    int exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1);
    int fraction = bits & ((1 << fractionBits) - 1);
    double magnitude =
        exponent == 0
            ? Math.scalb((double) fraction, 1 - bias - fractionBits)
            : Math.scalb((double) (fraction | 1 << fractionBits), exponent - bias - fractionBits);
    return bits < 0 ? -magnitude : magnitude;
  }

  @ParameterizedTest
  @ValueSource(strings = {"merge/many-shards-normalized", "methods/gradient-matching-shards"})
  void bytesDoNotDependOnPartitionsThreadsOrOrder(String name) throws IOException {
    Path yaml = ROOT.resolve(name).resolve("merge.yaml");
    Path reversed = directory.resolve("reversed.yaml");
    Files.writeString(reversed, reversed(yaml));
    Path reference = directory.resolve("reference.safetensors");
    assertThat(merge(yaml, reference, "--threads", "1")).isZero();
    Path parallel = directory.resolve("parallel.safetensors");
    assertThat(merge(reversed, parallel, "--threads", "3")).isZero();
    assertThat(parallel).hasSameBinaryContentAs(reference);
    String[][] ways = {{"4", "1"}, {"4", "2"}, {"7", "2"}};
    for (String[] way : ways) {
      Path other = directory.resolve("p" + way[0] + "t" + way[1] + ".safetensors");
      assertThat(
              merge(
                  reversed,
                  other,
                  "--embedded-pipeline",
                  "--partitions",
                  way[0],
                  "--threads",
                  way[1]))
          .isZero();
      assertThat(other).hasSameBinaryContentAs(reference);
    }
  }

  /**
   * Types, ties, a copied parameter, a Fisher in float64 and shards that are not full; models that
   * are added in order, and so many that their sums are kept.
   */
  @ParameterizedTest
  @ValueSource(ints = {5, 17})
  void aRandomPoolHasTheSameBytesThroughTheStages(int models) throws IOException {
    Random random = new Random(24);
    Path base = Files.createDirectory(directory.resolve("base"));
    Files.writeString(base.resolve("config.json"), "{\"tie_word_embeddings\": true}");
    List<TensorInfo> tensors =
        List.of(
            new TensorInfo("wide", DType.BF16, List.of(3L, 200_000L)),
            new TensorInfo("narrow", DType.F32, List.of(262_145L)),
            new TensorInfo("half", DType.F16, List.of(40L, 1_001L)),
            new TensorInfo("kept.frozen", DType.F32, List.of(70L)),
            new TensorInfo("count", DType.I64, List.of(3L)),
            new TensorInfo("empty", DType.F32, List.of(0L)));
    write(base.resolve("model.safetensors"), tensors, random, -1);
    StringBuilder yaml = new StringBuilder("base: base\nmodels:\n");
    for (int m = 0; m < models; m++) {
      write(directory.resolve("m" + m + ".safetensors"), tensors, random, -1);
      DType type = m % 2 == 0 ? DType.F32 : DType.F64;
      List<TensorInfo> entries =
          tensors.stream()
              .filter(tensor -> tensor.dtype().mergeable())
              .map(tensor -> new TensorInfo(tensor.name(), type, tensor.shape()))
              .toList();
      write(directory.resolve("f" + m + ".safetensors"), entries, random, 0);
      yaml.append(
          String.format(
              Locale.ROOT,
              "  - {name: m%d, checkpoint: m%d.safetensors, fisher: f%d.safetensors, coefficient: 0.%d}\n",
              m,
              m,
              m,
              m + 1));
    }
    yaml.append("method: {exclude_param_names_regex: ['kept'], minimal_fisher_weight: 1e-3}\n");
    Path file = Files.writeString(directory.resolve("merge.yaml"), yaml);
    for (String dtype : List.of("f32", "bf16")) {
      Path direct = directory.resolve(dtype + ".safetensors");
      Path streamed = directory.resolve(dtype + "-streamed.safetensors");
      assertThat(merge(file, direct, "--dtype", dtype)).isZero();
      assertThat(merge(file, streamed, "--dtype", dtype, "--embedded-pipeline", "--kernel", "nd4j"))
          .isZero();
      assertThat(direct).hasSameBinaryContentAs(streamed);
    }
  }

  private static void write(Path path, List<TensorInfo> tensors, Random random, double lowest) {
    try (CheckpointWriter writer = CheckpointWriter.file(path, tensors, Map.of())) {
      for (TensorInfo tensor : tensors) {
        int elements = (int) tensor.elements();
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        if (tensor.dtype().mergeable()) {
          double[] values = random.doubles(elements, lowest, 1).toArray();
          FloatCodec.fromDouble(tensor.dtype(), values, 0, elements, bytes, 0);
        }
        writer.write(tensor.name(), 0, bytes);
      }
      writer.commit();
    }
  }

  @Test
  void usesARealClusterAndLeavesNoTopicAndNoSubjectBehind() throws Exception {
    Path yaml = CASES.resolve("coefficients-normalized/merge.yaml");
    Path local = directory.resolve("local.safetensors");
    Path remote = directory.resolve("remote.safetensors");
    assertThat(merge(yaml, local)).isZero();
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      assertThat(
              merge(
                  yaml,
                  remote,
                  "--bootstrap-servers",
                  broker.bootstrapServers(),
                  "--schema-registry",
                  registry.url()))
          .isZero();
      try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {
        assertThat(admin.listTopics().names().get()).isEmpty();
      }
      HttpRequest subjects =
          HttpRequest.newBuilder(URI.create(registry.url() + "/subjects")).build();
      assertThat(HttpClient.newHttpClient().send(subjects, BodyHandlers.ofString()).body())
          .isEqualTo("[]");
    }
    assertThat(remote).hasSameBinaryContentAs(local);
  }

  @Test
  void aScaleOfZeroGivesTheBasesBytes() {
    Path yaml = ROOT.resolve("methods/fisher-scale-zero/merge.yaml");
    Path output = directory.resolve("merged.safetensors");
    assertThat(merge(yaml, output)).isZero();
    assertSameTensors(output, yaml.resolveSibling("base.safetensors"));
  }

  @Test
  void weightsThatAreMostlyThePriorAreRejectedUnderStrict() throws IOException {
    Path cases = ROOT.resolve("methods/gradient-matching").toAbsolutePath();
    Path yaml = directory.resolve("merge.yaml");
    Files.writeString(
        yaml,
        Files.readString(cases.resolve("merge.yaml"))
            .replaceAll("(base|checkpoint|fisher): (.*safetensors)", "$1: " + cases + "/$2")
            .replace("prior: 1.0", "prior: 3"));
    Path output = directory.resolve("merged.safetensors");
    StringWriter err = new StringWriter();
    int code =
        Main.commandLine()
            .setErr(new PrintWriter(err, true))
            .execute("merge", yaml.toString(), "-o", output.toString(), "--strict");
    assertThat(code).isEqualTo(1);
    assertThat(err.toString())
        .contains("rejected by --strict: prior 3.00 is more than half of the weights of 3 of 3")
        .contains("model-a 75.00%", "Lower prior")
        .doesNotContain("stream base");
    assertThat(output).doesNotExist();
  }

  @Test
  void rejectsAnOutputThatIsAnInput() {
    Path yaml = CASES.resolve("three-models-plain/merge.yaml");
    assertThat(merge(yaml, CASES.resolve("three-models-plain/model-a.safetensors"))).isEqualTo(1);
  }

  @Test
  void rejectsAnOutputThatCannotBeWrittenBeforeItMerges() throws IOException {
    Path full = Files.createDirectory(directory.resolve("full"));
    Files.createFile(full.resolve("kept"));
    Path absent = directory.resolve("absent/merged.safetensors");
    for (Path output : List.of(absent, absent.resolveSibling("merged"), full)) {
      assertThat(rejection(output))
          .contains(output.toString())
          .containsAnyOf("does not exist; create it first", "is not empty")
          .doesNotContain("stream base");
    }
  }

  @Test
  void namesTheOutputThatCouldNotBeWritten() {
    Path output = directory.resolve("long".repeat(100) + ".safetensors");
    assertThat(rejection(output))
        .containsPattern("fisher-streams: \\S*longlong\\S* cannot be written: ")
        .contains("File name too long");
  }

  private static String rejection(Path output) {
    StringWriter err = new StringWriter();
    Path yaml = CASES.resolve("three-models-plain/merge.yaml");
    int code =
        Main.commandLine()
            .setErr(new PrintWriter(err, true))
            .execute("merge", yaml.toString(), "--output", output.toString());
    assertThat(code).isEqualTo(1);
    return err.toString();
  }

  static void assertSameTensors(Path first, Path second) {
    try (Checkpoint one = Checkpoint.open(first);
        Checkpoint other = Checkpoint.open(second)) {
      SortedMap<String, TensorInfo> tensors = one.tensors();
      assertThat(other.tensors()).isEqualTo(tensors);
      for (TensorInfo tensor : tensors.values()) {
        assertThat(all(other, tensor)).as(tensor.name()).isEqualTo(all(one, tensor));
      }
    }
  }

  /** The YAML with its models the other way round and its paths made absolute. */
  private static String reversed(Path yaml) throws IOException {
    String text =
        Files.readString(yaml)
            .replaceAll(
                "(base|checkpoint|fisher): (.*safetensors)",
                "$1: " + Matcher.quoteReplacement(yaml.getParent().toAbsolutePath() + "/") + "$2");
    Matcher models = Pattern.compile("(?s)(.*models:\n)(.*)(method:.*)").matcher(text);
    assertThat(models.matches()).isTrue();
    List<String> entries = new ArrayList<>(List.of(models.group(2).split("(?m)(?=^  - name)")));
    Collections.reverse(entries);
    return models.group(1) + String.join("", entries) + models.group(3);
  }

  @Test
  void rejectsATakeoverUnderStrictAndWritesNothing() {
    Path output = directory.resolve("merged.safetensors");
    assertThat(merge(CASES.resolve("tiny-fisher-normalized/merge.yaml"), output, "--strict"))
        .isEqualTo(1);
    assertThat(output).doesNotExist();
  }

  @Test
  void writesAFolderWithIndexCompanionsAndModelCard() throws IOException {
    Path base = Files.createDirectory(directory.resolve("base"));
    Path cases = CASES.resolve("three-models-plain").toAbsolutePath();
    Files.copy(cases.resolve("base.safetensors"), base.resolve("model.safetensors"));
    Files.writeString(base.resolve("config.json"), "{\"model_type\": \"test\"}");
    Files.writeString(base.resolve("tokenizer.json"), "{}");
    Path yaml = directory.resolve("merge.yaml");
    Files.writeString(
        yaml,
        Files.readString(cases.resolve("merge.yaml"))
            .replace("base: base.safetensors", "base: " + base)
            .replaceAll("(checkpoint|fisher): ", "$1: " + Matcher.quoteReplacement(cases + "/")));
    Path output = directory.resolve("merged");
    assertThat(merge(yaml, output, "--out-shard-size", "100B", "--dtype", "bf16")).isZero();
    assertThat(output.resolve("config.json"))
        .content()
        .contains("\"model_type\" : \"test\"", "\"torch_dtype\" : \"bfloat16\"");
    assertThat(output.resolve("tokenizer.json")).exists();
    assertThat(output.resolve("model.safetensors.index.json")).exists();
    assertThat(Files.readString(output.resolve("README.md")))
        .contains("model-a", "model-c", "share");
    try (Checkpoint merged = Checkpoint.open(output)) {
      assertThat(merged.tensors().values())
          .allMatch(tensor -> tensor.dtype() == DType.BF16 || !tensor.dtype().mergeable());
    }
  }

  private static ByteBuffer all(Checkpoint checkpoint, TensorInfo tensor) {
    return checkpoint
        .slice(tensor.name(), 0, (int) tensor.elements())
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int merge(Path yaml, Path output, String... more) {
    List<String> line = new ArrayList<>(List.of("merge", yaml.toString(), "-o", output.toString()));
    line.addAll(List.of(more));
    return Main.run(line.toArray(String[]::new));
  }
}
