package io.fisherstreams.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherEstimation;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.Cotangents;
import io.fisherstreams.gradient.model.ForwardPass;
import io.fisherstreams.gradient.model.Head;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.LongSupplier;

/**
 * Exact per-example Fishers of GPT-2 small and CLIP ViT-B/32's vision tower, random weights: the
 * batched road beside plain loops through the same engine's automatic differentiation, which record
 * each example's forward pass once, and beside the floor that the engine's matrix products set.
 */
final class GradientBench {
  private static final int EXAMPLES = 32;
  private static final int ROUNDS = 5;
  private static final double SECONDS_A_ROUND = 3;

  private final Path directory;
  private final PrintWriter out;

  GradientBench(Path directory, PrintWriter out) {
    this.directory = directory;
    this.out = out;
  }

  /**
   * What is measured.
   *
   * @param tokens rows of one example in the transformer's blocks
   */
  private record Subject(
      String title,
      SyntheticModel model,
      Optional<SyntheticModel> head,
      String config,
      int classes,
      int tokens) {

    static Subject gpt2(int classes) {
      return new Subject(
          "GPT-2 small",
          SyntheticModel.gpt2(classes),
          Optional.empty(),
          "{\"model_type\": \"gpt2\", \"num_labels\": " + classes + "}",
          classes,
          64);
    }

    static Subject clip(int classes) {
      return new Subject(
          "CLIP ViT-B/32",
          SyntheticModel.clip(DType.F32),
          Optional.of(SyntheticModel.clipHead(classes)),
          "{\"model_type\": \"clip_vision_model\"}",
          classes,
          50);
    }

    /** Parameters that are factors of a matrix product with every token, or nearly all. */
    long multiplied() {
      return model.tensors().stream()
          .filter(tensor -> !isTable(tensor.name()))
          .mapToLong(TensorInfo::elements)
          .sum();
    }

    private static boolean isTable(String name) {
      return name.endsWith("wte.weight")
          || name.endsWith("wpe.weight")
          || name.endsWith("position_embedding.weight");
    }

    /**
     * Operations of one example: a multiplication and an addition a parameter and token, in a
     * forward pass, and twice as many in the backward pass of each of C − 1 directions.
     */
    double operations() {
      return 2.0 * multiplied() * tokens * (1 + 2 * (classes - 1));
    }
  }

  void run() throws IOException, InterruptedException {
    double rate = productRate();
    out.printf("matrix products of the engine: %.1f GFLOP/s%n", rate / 1e9);
    for (Subject subject : List.of(Subject.gpt2(2), Subject.clip(2), Subject.clip(10))) {
      Path folder = Files.createDirectories(directory.resolve(subject.title + subject.classes));
      write(subject, folder);
      compare(subject, folder, rate);
      if (subject.classes == 2) {
        memory(subject, folder);
      }
    }
  }

  /** Operations a second of a layer's product at the default batch size, the best of several. */
  private static double productRate() {
    int rows = ManifestRules.DEFAULT_BATCH_SIZE * 64;
    int width = 768;
    int inner = 3072;
    double best = 0;
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      NDArray left = manager.randomUniform(-1, 1, new Shape(rows, width));
      NDArray right = manager.randomUniform(-1, 1, new Shape(width, inner));
      for (int i = 0; i < 50; i++) {
        long start = System.nanoTime();
        left.matMul(right).close();
        best = Math.max(best, 2.0 * rows * width * inner / (System.nanoTime() - start) * 1e9);
      }
    }
    return best;
  }

  private static void write(Subject subject, Path folder) throws IOException {
    Files.writeString(folder.resolve("config.json"), subject.config);
    subject.model.writeCheckpoint(folder.resolve("model.safetensors"), 1);
    if (subject.head.isPresent()) {
      subject.head.get().writeCheckpoint(folder.resolve("head.safetensors"), 2);
    }
    SplittableRandom random = new SplittableRandom(3);
    TensorInfo labels = new TensorInfo("labels", DType.I64, List.of((long) EXAMPLES));
    ByteBuffer labelBytes = longs(EXAMPLES, () -> random.nextInt(subject.classes));
    boolean text = subject.head.isEmpty();
    TensorInfo input =
        text
            ? new TensorInfo(
                "input_ids", DType.I64, List.of((long) EXAMPLES, (long) subject.tokens))
            : new TensorInfo("pixel_values", DType.F32, List.of((long) EXAMPLES, 3L, 224L, 224L));
    int elements = Math.toIntExact(input.elements());
    ByteBuffer inputBytes =
        text ? longs(elements, () -> random.nextInt(50257)) : floats(elements, random);
    try (CheckpointWriter writer =
        CheckpointWriter.file(
            folder.resolve("examples.safetensors"), List.of(input, labels), Map.of())) {
      writer.write(input.name(), 0, inputBytes);
      writer.write(labels.name(), 0, labelBytes);
      writer.commit();
    }
  }

  private static ByteBuffer longs(int count, LongSupplier values) {
    ByteBuffer bytes = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      bytes.putLong(values.getAsLong());
    }
    return bytes.flip();
  }

  private static ByteBuffer floats(int count, SplittableRandom random) {
    ByteBuffer bytes = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      bytes.putFloat((float) (2 * random.nextDouble() - 1));
    }
    return bytes.flip();
  }

  /** How an example's exact Fisher is computed. */
  private enum Road {
    /** As the {@code fisher} command does, all examples of a batch at once. */
    BATCHED("batches of " + ManifestRules.DEFAULT_BATCH_SIZE, ManifestRules.DEFAULT_BATCH_SIZE),
    /** The same with more examples in a batch: parameters and sums are read less often. */
    LARGE(
        "batches of " + 2 * ManifestRules.DEFAULT_BATCH_SIZE, 2 * ManifestRules.DEFAULT_BATCH_SIZE),
    /** One by one, along the same C − 1 directions: for two classes one backward pass. */
    EACH_DIRECTION("plain loop of C - 1 backward passes per example", 1),
    /** One by one, along every class, as the exact Fisher is defined. */
    EACH_CLASS("plain loop of C backward passes per example", 1);

    private final String title;
    private final int batchSize;

    Road(String title, int batchSize) {
      this.title = title;
      this.batchSize = batchSize;
    }
  }

  private void compare(Subject subject, Path folder, double rate) {
    ModelFiles files = files(folder);
    Map<Road, double[]> rates = new EnumMap<>(Road.class);
    try (ExampleSource examples = files.examples(folder.resolve("examples.safetensors"));
        ModelRuntime fast = files.load();
        ModelRuntime loop = plain(folder);
        SquaredSums fastSums = new SquaredSums(fast);
        SquaredSums loopSums = new SquaredSums(loop)) {
      for (Road road : Road.values()) {
        rates.put(road, new double[ROUNDS]);
      }
      // The first round warms up.
      for (int round = -1; round < ROUNDS; round++) {
        for (Road road : Road.values()) {
          boolean batched = road.batchSize > 1;
          double found =
              examplesPerSecond(
                  road,
                  batched ? fast : loop,
                  batched ? fastSums : loopSums,
                  examples,
                  round < 0 ? 0 : SECONDS_A_ROUND);
          if (round >= 0) {
            rates.get(road)[round] = found;
          }
        }
      }
      out.printf(
          "exact Fisher of %s: %,d parameters, %,d of them outside embedding tables, %d tokens, %d classes%n",
          subject.title,
          subject.model.parameters(),
          subject.multiplied(),
          subject.tokens,
          subject.classes);
      double batched = median(rates.get(Road.BATCHED));
      double large = median(rates.get(Road.LARGE));
      for (Road road : Road.values()) {
        report(road.title, median(rates.get(road)), batched, large, rounds(rates.get(road)));
      }
      double floor = rate / subject.operations();
      report("the operations at the rate of matrix products", floor, batched, large, "");
      if (subject.classes == 2) {
        flush(subject, fastSums);
      }
    }
  }

  private void report(
      String title, double examplesPerSecond, double batched, double large, String rounds) {
    out.printf(
        "  %s: %.2f examples/s; ratios %.2f (%s), %.2f (%s) %s%n",
        title,
        examplesPerSecond,
        batched / examplesPerSecond,
        Road.BATCHED.title,
        large / examplesPerSecond,
        Road.LARGE.title,
        rounds);
    out.flush();
  }

  private static double examplesPerSecond(
      Road road, ModelRuntime runtime, SquaredSums sums, ExampleSource source, double seconds) {
    FisherEstimation estimation = new FisherEstimation(runtime, new Estimator.Exact());
    int done = 0;
    long start = System.nanoTime();
    do {
      List<Example> batch = source.read(done % EXAMPLES, road.batchSize);
      if (road == Road.EACH_CLASS) {
        addEveryClass(runtime, batch, sums);
      } else {
        estimation.add(batch, sums);
      }
      done += road.batchSize;
    } while (System.nanoTime() - start < seconds * 1e9);
    return done / ((System.nanoTime() - start) / 1e9);
  }

  /** Adds Σ_c p_c (∂ log p_c)² of one example by its C gradients along √p_c (e_c − p). */
  private static void addEveryClass(ModelRuntime runtime, List<Example> one, SquaredSums sums) {
    try (ForwardPass pass = runtime.forward(one)) {
      float[] logits = pass.logits();
      double total = 0;
      for (float logit : logits) {
        total += Math.exp(logit);
      }
      float[][] directions = new float[logits.length][logits.length];
      for (int c = 0; c < logits.length; c++) {
        double root = Math.sqrt(Math.exp(logits[c]) / total);
        for (int j = 0; j < logits.length; j++) {
          directions[c][j] = (float) (root * ((j == c ? 1 : 0) - Math.exp(logits[j]) / total));
        }
      }
      pass.addSquaredGradients(
          new Cotangents(new int[logits.length], directions, Cotangents.Squaring.EACH), sums);
    }
  }

  /**
   * What one flush of the sums is on gradient-batches: float32, and an index where it is sparse.
   */
  private void flush(Subject subject, SquaredSums sums) {
    long dense = 0;
    long sparse = 0;
    for (TensorInfo parameter : sums.parameters()) {
      for (int index = 0; index < Shard.count(parameter); index++) {
        Shard shard = new Shard(parameter, index);
        dense += (long) shard.elements() * Float.BYTES;
        sparse +=
            Float.BYTES
                * sums.sparseRun(parameter.name(), shard.firstElement(), shard.elements())
                    .map(run -> 2L * run.indices().length)
                    .orElse((long) shard.elements());
      }
    }
    double parameters = subject.model.parameters();
    out.printf(
        "  one flush of %d examples' sums (%d distinct): %.1f MB on gradient-batches, %.2f bytes a parameter; with dense embedding tables: %.1f MB, %.2f%n",
        sums.examples(),
        EXAMPLES,
        sparse / 1e6,
        sparse / parameters,
        dense / 1e6,
        dense / parameters);
  }

  private static ModelRuntime plain(Path folder) {
    ModelFiles files = files(folder);
    try (Checkpoint checkpoint = Checkpoint.open(files.checkpoint())) {
      ModelConfig config =
          ModelConfig.parse("config.json", Files.readString(folder.resolve("config.json")));
      if (files.head().isEmpty()) {
        return ModelRuntimes.loadPlain(config, TensorSource.of(checkpoint), Optional.empty());
      }
      try (Checkpoint head = Checkpoint.open(files.head().get())) {
        return ModelRuntimes.loadPlain(
            config, TensorSource.of(checkpoint), Optional.of(Head.of(head).tensors()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ModelFiles files(Path folder) {
    Path head = folder.resolve("head.safetensors");
    return ModelFiles.of(
        folder.resolve("model.safetensors"),
        Files.exists(head) ? Optional.of(head) : Optional.empty(),
        Optional.empty());
  }

  private void memory(Subject subject, Path folder) throws IOException, InterruptedException {
    Path fisher = folder.resolve("fisher.safetensors");
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "fisher",
                "--model=" + folder.resolve("model.safetensors"),
                "--examples=" + folder.resolve("examples.safetensors"),
                "--num-examples=" + EXAMPLES,
                "--output=" + fisher));
    files(folder).head().ifPresent(head -> arguments.add("--head=" + head));
    ChildProcess run = ChildProcess.run(folder.resolve("fisher.log"), arguments);
    Files.delete(fisher);
    double gibibyte = 1 << 30;
    out.printf(
        "fisher command, %s, %d examples: %.1f s, anonymous memory %.2f GiB at most; the model and its sums of squares: %.2f GiB%n",
        subject.title,
        EXAMPLES,
        run.seconds(),
        run.anonymousBytes() / gibibyte,
        2.0 * subject.model.parameters() * Float.BYTES / gibibyte);
    out.flush();
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static String rounds(double[] values) {
    return Arrays.stream(values).mapToObj("%.2f"::formatted).toList().toString();
  }
}
