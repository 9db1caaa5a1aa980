package io.fisherstreams.oneshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.Shares.Takeover;
import io.fisherstreams.oneshot.Preflight.FisherReport;
import io.fisherstreams.oneshot.Preflight.Report;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class PreflightTest {
  private static final Preflight.ReadListener SILENT = (done, total) -> {};

  /** A tensor and its values. */
  private record Values(TensorInfo info, double... values) {
    static Values of(String name, DType dtype, List<Long> shape, double... values) {
      return new Values(new TensorInfo(name, dtype, shape), values);
    }
  }

  private static final Values WEIGHT = f32("w", List.of(2L, 2L), 1, -2, 3, -4);
  private static final Values SCALAR = f32("scale", List.of(), 5);
  private static final Values EMPTY = f32("nothing", List.of(0L, 3L));
  private static final Values HEAD = f32("head.weight", List.of(2L), 1, 2);
  private static final Values IDS = Values.of("ids", DType.I64, List.of(2L), 0, 0);
  private static final Values FISHER_W = f32("w", List.of(2L, 2L), 1, 2, 0, 4);
  private static final Values FISHER_SCALE = f32("scale", List.of(), 0.5);

  /** Model, share, share without ε: computed from the files with NumPy by the formula. */
  private static final Map<String, List<String>> TAKEOVERS =
      Map.of(
          "eight-models-normalized", List.of("model-g 0.1952 0.1259", "model-h 0.5037 0.1117"),
          "tiny-fisher-normalized", List.of("model-c 0.4861 0.0000"));

  @TempDir Path folder;

  @BeforeEach
  void poolOfTwo() throws IOException {
    write("base", WEIGHT, SCALAR, EMPTY, HEAD, IDS);
    // Models bring heads of their own, and lack what is not merged.
    write("a", WEIGHT, SCALAR, EMPTY, f32("head.weight", List.of(7L), 0, 0, 0, 0, 0, 0, 0));
    write("b", WEIGHT, SCALAR, EMPTY, f32("classifier", List.of(1L), Double.NaN));
    write("a.fisher", FISHER_W, FISHER_SCALE, EMPTY);
    write("b.fisher", FISHER_W, FISHER_SCALE, EMPTY, f32("head.weight", List.of(1L), -1));
    yaml("");
  }

  @Test
  void sumsTheFishersOverTheMergedParametersOnly() {
    Report report = check();

    assertThat(report.base().mergeSet().names()).containsExactly("nothing", "scale", "w");
    assertThat(report.elements()).isEqualTo(5);
    assertThat(report.models().keySet()).containsExactly("a", "b");
    FisherReport fisher = report.models().get("a").fisher().orElseThrow();
    assertThat(fisher.total()).isEqualTo(7.5);
    assertThat(fisher.squares()).isEqualTo(21.25);
    assertThat(fisher.norm()).isEqualTo(Math.sqrt(21.25));
    assertThat(fisher.examples()).isEmpty();
    assertThat(report.models().get("a").coefficients()).isEqualTo(Coefficients.of(0.5));
    assertThat(report.takeovers()).isEmpty();
  }

  @Test
  void readsTheExampleCountFromTheFishersMetadata() throws IOException {
    write("a.fisher", Map.of("examples", "512"), FISHER_W, FISHER_SCALE, EMPTY);

    assertThat(check().models().get("a").fisher().orElseThrow().examples()).hasValue(512);

    for (String bad : List.of("0", "-1", "many", "2.5")) {
      write("a.fisher", Map.of("examples", bad), FISHER_W, FISHER_SCALE, EMPTY);
      assertRejected("a.fisher.safetensors", "metadata 'examples' is '" + bad + "'");
    }
  }

  static Stream<Path> conformanceCases() throws Exception {
    Path cases = Path.of(PreflightTest.class.getResource("/conformance/merge").toURI());
    try (Stream<Path> folders = Files.list(cases)) {
      return folders.sorted().toList().stream();
    }
  }

  /** Every case of the conformance data passes, with sums that exact arithmetic gives. */
  @ParameterizedTest
  @MethodSource("conformanceCases")
  void acceptsEveryConformanceCase(Path folder) {
    MergeFile merge = MergeFile.read(folder.resolve("merge.yaml"));
    Report report = Preflight.check(merge, 2, SILENT);

    for (MergeFile.Model model : merge.models()) {
      BigDecimal total = BigDecimal.ZERO;
      BigDecimal squares = BigDecimal.ZERO;
      try (Checkpoint fisher = Checkpoint.open(model.fisher().orElseThrow())) {
        for (String name : report.base().mergeSet().names()) {
          int elements = (int) fisher.tensors().get(name).elements();
          double[] entries = new double[elements];
          FloatCodec.toDouble(
              fisher.tensors().get(name).dtype(),
              fisher.slice(name, 0, elements),
              0,
              entries,
              0,
              elements);
          for (double entry : entries) {
            total = total.add(new BigDecimal(entry));
            squares = squares.add(new BigDecimal(entry).pow(2));
          }
        }
      }
      FisherReport found = report.models().get(model.name()).fisher().orElseThrow();
      assertThat(found.total()).isCloseTo(total.doubleValue(), within(total.doubleValue() * 1e-13));
      double norm = squares.sqrt(MathContext.DECIMAL64).doubleValue();
      assertThat(found.norm()).isCloseTo(norm, within(norm * 1e-13));
    }
    List<String> takeovers =
        report.takeovers().stream()
            .map(
                t ->
                    String.format(
                        Locale.ROOT, "%s %.4f %.4f", t.model(), t.share(), t.shareWithoutEpsilon()))
            .toList();
    assertThat(takeovers)
        .isEqualTo(TAKEOVERS.getOrDefault(folder.getFileName().toString(), List.of()));
  }

  @Test
  void reportsATakeoverWithFiguresFromItsClosedForm() throws IOException {
    // Constant Fishers f over J = 4 entries: ΣF = 4f, N = 2f. Shares c(4f + 4ε), c = ½/(2f + ε).
    List<Long> shape = List.of(4L);
    write("base", f32("w", shape, 1, 1, 1, 1));
    write("a", f32("w", shape, 1, 1, 1, 1));
    write("b", f32("w", shape, 1, 1, 1, 1));
    write("a.fisher", f32("w", shape, 1, 1, 1, 1));
    write("b.fisher", f32("w", shape, 0, 0, 0, 0));
    yaml("method: {minimal_fisher_weight: 0.25}\n");

    double a = 0.5 / 2.25 * 5;
    double b = 0.5 / 0.25 * 1;
    List<Takeover> takeovers = check().takeovers();
    assertThat(takeovers).hasSize(1);
    assertThat(takeovers.get(0).model()).isEqualTo("b");
    assertThat(takeovers.get(0).norm()).isZero();
    assertThat(takeovers.get(0).share()).isCloseTo(b / (a + b), within(1e-15));
    assertThat(takeovers.get(0).shareWithoutEpsilon()).isZero();

    yaml("method: {minimal_fisher_weight: 0.25, normalize_fisher_weight: false}\n");
    assertThat(check().takeovers()).isEmpty();
  }

  @Test
  void leavesFishersThatAreToBeEstimatedForLater() throws IOException {
    Files.writeString(
        folder.resolve("merge.yaml"),
        """
        base: base.safetensors
        models:
          - {name: a, checkpoint: a.safetensors, examples: a.jsonl}
          - {name: b, checkpoint: b.safetensors, fisher: b.fisher.safetensors}
        method: {exclude_param_names_regex: [head]}
        """);
    Report report = check();

    assertThat(report.models().get("a").fisher()).isEmpty();
    assertThat(report.models().get("b").fisher()).isPresent();
    assertThat(report.takeovers()).isEmpty();
  }

  @Test
  void rejectsAnEmptyMergeSet() throws IOException {
    yaml("method: {exclude_param_names_regex: ['']}\n");
    assertRejected("base.safetensors", "nothing to merge", "5 tensors");

    write("base", IDS);
    yaml("");
    assertRejected("base.safetensors", "nothing to merge");
  }

  @Test
  void rejectsEightBitFloatsThatNobodyExcluded() throws IOException {
    Values quantised = Values.of("q", DType.F8_E4M3, List.of(1L), 0);
    write("base", WEIGHT, SCALAR, EMPTY, quantised);
    yaml("");
    assertRejected("base.safetensors", "tensor 'q' is F8_E4M3", "exclude");

    yaml("method: {exclude_param_names_regex: [q]}\n");
    assertThat(check().base().mergeSet().names()).containsExactly("nothing", "scale", "w");
  }

  @Test
  void rejectsAModelThatLacksMergedParameters() throws IOException {
    write("b", SCALAR);
    assertRejected("model 'b' (", "b.safetensors) lacks 2 of the 3 merged parameters: nothing, w");
  }

  @Test
  void rejectsAFisherThatLacksMergedParameters() throws IOException {
    write("a.fisher", FISHER_W);
    assertRejected("Fisher of model 'a' (", "a.fisher.safetensors) lacks 2 of the 3");
  }

  @Test
  void rejectsOtherShapesWithoutBroadcasting() throws IOException {
    Values one = f32("scale", List.of(1L), 5);
    write("a", WEIGHT, one, EMPTY);
    assertRejected("model 'a'", "tensor 'scale' has shape [1], expected the base's []");

    write("a", f32("w", List.of(4L), 1, 2, 3, 4), SCALAR, EMPTY);
    assertRejected("model 'a'", "tensor 'w' has shape [4], expected the base's [2, 2]");

    write("a", WEIGHT, SCALAR, EMPTY);
    write("b.fisher", FISHER_W, one, EMPTY);
    assertRejected("Fisher of model 'b'", "tensor 'scale' has shape [1], expected the base's []");
  }

  @Test
  void rejectsMergedParametersThatAreNoFloats() throws IOException {
    write("a", WEIGHT, Values.of("scale", DType.I64, List.of(), 0), EMPTY);
    assertRejected("model 'a'", "tensor 'scale' is I64");
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "BF16", "F16"})
  void takesEveryFloatingTypeWhateverTheBasesIs(DType dtype) throws IOException {
    write("a", Values.of("w", dtype, List.of(2L, 2L), 1, 2, 3, 4), SCALAR, EMPTY);
    write("a.fisher", Values.of("w", dtype, List.of(2L, 2L), 1, 2, 0, 4), FISHER_SCALE, EMPTY);

    assertThat(check().models().get("a").fisher().orElseThrow().total()).isEqualTo(7.5);
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void rejectsParametersThatAreNotFinite(double bad) throws IOException {
    write("b", f32("w", List.of(2L, 2L), 1, -2, bad, 4), SCALAR, EMPTY);
    assertRejected(
        "model 'b' (", "b.safetensors): tensor 'w' has " + bad + " at element 2", "exclude");
  }

  @Test
  void rejectsNaNInAnyTensorOfTheBase() throws IOException {
    Values head = f32("head.weight", List.of(2L), 1, Double.NaN);
    write("base", WEIGHT, SCALAR, EMPTY, head, IDS);
    assertRejected("base.safetensors): tensor 'head.weight' has NaN at element 1, expected no NaN");

    Values mask = f32("head.weight", List.of(2L), 1, Double.NEGATIVE_INFINITY);
    write("base", WEIGHT, SCALAR, EMPTY, mask, IDS);
    assertThat(check().models()).hasSize(2);
  }

  @Test
  void ignoresValuesOfParametersThatAreNotMerged() throws IOException {
    write("a", WEIGHT, SCALAR, EMPTY, f32("head.weight", List.of(2L), Double.NaN, 1));
    write("a.fisher", FISHER_W, FISHER_SCALE, EMPTY, f32("head.weight", List.of(2L), -1, 1));

    assertThat(check().models()).hasSize(2);
  }

  @ParameterizedTest
  @ValueSource(doubles = {-1e-30, Double.NaN, Double.POSITIVE_INFINITY})
  void rejectsFisherEntriesThatAreNoMeansOfSquares(double bad) throws IOException {
    write("a.fisher", f32("w", List.of(2L, 2L), 1, 2, 0, bad), FISHER_SCALE, EMPTY);
    assertRejected(
        "Fisher of model 'a' (", "a.fisher.safetensors): tensor 'w' has", "at element 3");
  }

  @Test
  void rejectsFloat64FisherEntriesBeyondFloat32() throws IOException {
    Values huge = Values.of("w", DType.F64, List.of(2L, 2L), 1, 1e39, 0, 0);
    write("a.fisher", huge, FISHER_SCALE, EMPTY);
    assertRejected("tensor 'w' has 1.0E39 at element 1", "float32");
  }

  @Test
  void acceptsNegativeZerosInAFisher() throws IOException {
    write("a.fisher", f32("w", List.of(2L, 2L), -0.0, 2, 0, 4), FISHER_SCALE, EMPTY);
    assertThat(check().models().get("a").fisher().orElseThrow().total()).isEqualTo(6.5);
  }

  @Test
  void rejectsToNormaliseAZeroFisherWithoutEpsilon() throws IOException {
    write("b.fisher", f32("w", List.of(2L, 2L), 0, 0, 0, 0), f32("scale", List.of(), 0), EMPTY);
    yaml("method: {minimal_fisher_weight: 0, exclude_param_names_regex: [head]}\n");
    assertRejected("Fisher of model 'b' (", "is zero", "minimal_fisher_weight above 0");

    yaml(
        "method: {minimal_fisher_weight: 0, normalize_fisher_weight: false,"
            + " exclude_param_names_regex: [head]}\n");
    assertThat(check().models()).hasSize(2);
  }

  @Test
  void rejectsWeightsThatAreAllZero() throws IOException {
    for (String name : List.of("a.fisher", "b.fisher")) {
      write(name, f32("w", List.of(2L, 2L), 0, 0, 0, 0), f32("scale", List.of(), 0), EMPTY);
    }
    yaml(
        "method: {minimal_fisher_weight: 0, normalize_fisher_weight: false,"
            + " exclude_param_names_regex: [head]}\n");
    assertRejected("merge.yaml: all weights are zero");
  }

  @Test
  void rejectsMissingFilesOfTheLastModelBeforeReadingTheFirst() throws IOException {
    Files.delete(folder.resolve("b.fisher.safetensors"));
    List<Long> calls = new ArrayList<>();
    MergeFile merge = MergeFile.read(folder.resolve("merge.yaml"));

    assertThatThrownBy(() -> Preflight.check(merge, 2, (done, total) -> calls.add(done)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("b.fisher.safetensors does not exist");
    assertThat(calls).isEmpty();
  }

  @Test
  void tellsHowFarItHasCome() {
    List<long[]> calls = new ArrayList<>();
    Preflight.check(
        MergeFile.read(folder.resolve("merge.yaml")),
        2,
        (done, total) -> calls.add(new long[] {done, total}));

    // Four entries of w and a scalar in float32: of the base, with its head of two, and of two
    // models, parameters and Fisher each.
    long total = (5 + 2) * 4 + 2 * 2 * 5 * 4;
    assertThat(calls).allSatisfy(call -> assertThat(call[1]).isEqualTo(total));
    assertThat(calls.get(calls.size() - 1)[0]).isEqualTo(total);
    for (int i = 1; i < calls.size(); i++) {
      assertThat(calls.get(i)[0]).isGreaterThanOrEqualTo(calls.get(i - 1)[0]);
    }
  }

  @Test
  void sumsManyShardsTheSameWhateverTheThreads() throws IOException {
    int elements = 700_000; // two full shards and a rest
    Random random = new Random(11);
    double[] fisher = new double[elements];
    BigDecimal total = BigDecimal.ZERO;
    for (int i = 0; i < elements; i++) {
      fisher[i] = (float) Math.exp(4 * random.nextGaussian() - 12);
      total = total.add(new BigDecimal(fisher[i]));
    }
    double[] theta = new double[elements];
    List<Long> shape = List.of((long) elements);
    for (String name : List.of("base", "a", "b")) {
      write(name, f32("w", shape, theta), SCALAR, EMPTY);
    }
    for (String name : List.of("a.fisher", "b.fisher")) {
      write(name, f32("w", shape, fisher), FISHER_SCALE, EMPTY);
    }
    MergeFile merge = MergeFile.read(folder.resolve("merge.yaml"));
    Report one = Preflight.check(merge, 1, SILENT);

    assertThat(Preflight.check(merge, 4, SILENT).models()).isEqualTo(one.models());
    double expected = total.doubleValue() + 0.5;
    assertThat(one.models().get("a").fisher().orElseThrow().total())
        .isCloseTo(expected, within(expected * 1e-12));

    // A fault in the last shard is found at its place in the tensor.
    fisher[elements - 3] = -1;
    write("b.fisher", f32("w", shape, fisher), FISHER_SCALE, EMPTY);
    assertRejected("Fisher of model 'b'", "tensor 'w' has -1.0 at element " + (elements - 3));
  }

  @Test
  void reportsTheSameFaultWhateverTheThreads() throws IOException {
    List<Values> tensors = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      tensors.add(
          f32(String.format(Locale.ROOT, "t%02d", i), List.of(1L), i >= 20 ? Double.NaN : 1));
    }
    List<Values> good = tensors.stream().map(t -> f32(t.info.name(), List.of(1L), 1)).toList();
    for (String name : List.of("base", "a", "a.fisher", "b.fisher")) {
      write(name, good.toArray(Values[]::new));
    }
    write("b", tensors.toArray(Values[]::new));
    MergeFile merge = MergeFile.read(folder.resolve("merge.yaml"));
    for (int round = 0; round < 50; round++) {
      assertThatThrownBy(() -> Preflight.check(merge, 4, SILENT))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("tensor 't20'");
    }
  }

  private Report check() {
    return Preflight.check(MergeFile.read(folder.resolve("merge.yaml")), 2, SILENT);
  }

  private void assertRejected(String... messages) {
    MergeFile merge = MergeFile.read(folder.resolve("merge.yaml"));
    assertThatThrownBy(() -> Preflight.check(merge, 2, SILENT))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll(messages);
  }

  /**
   * A {@code merge.yaml} of models a and b; the head is excluded unless {@code method} is given.
   */
  private void yaml(String method) throws IOException {
    Files.writeString(
        folder.resolve("merge.yaml"),
        """
        base: base.safetensors
        models:
          - {name: a, checkpoint: a.safetensors, fisher: a.fisher.safetensors}
          - {name: b, checkpoint: b.safetensors, fisher: b.fisher.safetensors}
        """
            + (method.isEmpty() ? "method: {exclude_param_names_regex: [head]}\n" : method));
  }

  private static Values f32(String name, List<Long> shape, double... values) {
    return Values.of(name, DType.F32, shape, values);
  }

  private void write(String name, Values... tensors) throws IOException {
    write(name, Map.of(), tensors);
  }

  private void write(String name, Map<String, String> metadata, Values... tensors) {
    Path file = folder.resolve(name + ".safetensors");
    List<TensorInfo> infos = Arrays.stream(tensors).map(Values::info).toList();
    try (CheckpointWriter writer = CheckpointWriter.file(file, infos, metadata)) {
      for (Values tensor : tensors) {
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.info.bytes());
        if (tensor.info.dtype().mergeable()) {
          FloatCodec.fromDouble(
              tensor.info.dtype(), tensor.values, 0, tensor.values.length, bytes, 0);
        }
        writer.write(tensor.info.name(), 0, bytes);
      }
      writer.commit();
    }
  }
}
