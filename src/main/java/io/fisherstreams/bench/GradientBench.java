package io.fisherstreams.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.Head;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Exact per-example Fishers of GPT-2 small, BERT-base and CLIP ViT-B/32's vision tower, and the
 * sampled Fisher of a causal decoder, with random weights. The batched implementation is compared
 * with plain loops through the same engine's automatic differentiation, which record each example's
 * forward pass once, and with the limit that the engine's matrix products set.
 */
final class GradientBench {
  private static final int EXAMPLES = 32;
  private static final int ROUNDS = 5;
  private static final double SECONDS_A_ROUND = 3;
  private static final int PRODUCTS = 10;

  private final Path directory;
  private final PrintWriter out;
  private final ComputeSettings settings;
  private final Compute compute;

  /**
   * A bench that has measured nothing.
   *
   * @param settings where the models run
   */
  GradientBench(Path directory, PrintWriter out, ComputeSettings settings) {
    this.directory = directory;
    this.out = out;
    this.settings = settings;
    this.compute = settings.resolve(out::println);
  }

  void run() throws IOException, InterruptedException {
    double rate = productRate();
    out.printf(
        Locale.ROOT,
        "matrix products of the engine on %s in %s: %.1f GFLOP/s%n",
        compute.device(),
        compute.precision().text(),
        rate / 1e9);
    for (GradientSubject subject :
        List.of(
            GradientSubject.gpt2(2),
            GradientSubject.clip(2),
            GradientSubject.clip(10),
            GradientSubject.bert(2),
            GradientSubject.decoder())) {
      Path folder = Files.createDirectories(directory.resolve(subject.title() + subject.classes()));
      subject.write(folder, EXAMPLES);
      compare(subject, folder, rate);
      if (subject.classes() <= 2) {
        memory(subject, folder);
      }
    }
  }

  /** Operations a second of a layer's product at the default batch size, the best of several. */
  private double productRate() {
    int rows = ManifestRules.DEFAULT_BATCH_SIZE * 64;
    int width = 768;
    int inner = 3072;
    double best = 0;
    try (NDManager manager = compute.newManager()) {
      NDArray left = manager.randomUniform(-1, 1, new Shape(rows, width));
      NDArray right = manager.randomUniform(-1, 1, new Shape(width, inner));
      for (int i = 0; i < 20; i++) {
        long start = System.nanoTime();
        for (int product = 1; product < PRODUCTS; product++) {
          compute.precision().product(left, right).close();
        }
        // A GPU works on its own; reading an element waits for it.
        try (NDArray last = compute.precision().product(left, right)) {
          last.getFloat(0, 0);
        }
        double operations = 2.0 * rows * width * inner * PRODUCTS;
        best = Math.max(best, operations / (System.nanoTime() - start) * 1e9);
      }
    }
    return best;
  }

  private void compare(GradientSubject subject, Path folder, double rate) {
    ModelFiles files = files(folder);
    Map<FisherLoop, double[]> rates = new EnumMap<>(FisherLoop.class);
    try (ExampleSource examples = files.examples(folder.resolve("examples.safetensors"));
        ModelRuntime fast = files.load(compute);
        ModelRuntime plain = plain(folder);
        SquaredSums fastSums = new SquaredSums(fast);
        SquaredSums plainSums = new SquaredSums(plain)) {
      List<FisherLoop> loops =
          Arrays.stream(FisherLoop.values())
              .filter(loop -> loop != FisherLoop.EACH_CLASS || !subject.isLanguageModel())
              .toList();
      for (FisherLoop loop : loops) {
        rates.put(loop, new double[ROUNDS]);
      }
      // The first round warms up.
      for (int round = -1; round < ROUNDS; round++) {
        for (FisherLoop loop : loops) {
          boolean batched = loop.batchSize() > 1;
          double found =
              loop.examplesPerSecond(
                  batched ? fast : plain,
                  subject.estimator(),
                  batched ? fastSums : plainSums,
                  examples,
                  EXAMPLES,
                  round < 0 ? 0 : SECONDS_A_ROUND);
          if (round >= 0) {
            rates.get(loop)[round] = found;
          }
        }
      }
      out.printf(
          Locale.ROOT,
          "Fisher (%s) of %s: %,d parameters, %,d of them outside embedding tables, %d tokens, %s%n",
          subject.estimator().name(),
          subject.title(),
          subject.model().parameters(),
          subject.multiplied(),
          subject.tokens(),
          subject.isLanguageModel() ? "next tokens" : subject.classes() + " classes");
      double batched = Median.of(rates.get(FisherLoop.BATCHED));
      double large = Median.of(rates.get(FisherLoop.LARGE));
      for (FisherLoop loop : loops) {
        report(loop.title(), Median.of(rates.get(loop)), batched, large, rounds(rates.get(loop)));
      }
      double floor = rate / subject.operations();
      report("the operations at the rate of matrix products", floor, batched, large, "");
      if (subject.classes() <= 2) {
        flush(subject, fastSums);
      }
    }
  }

  private void report(
      String title, double examplesPerSecond, double batched, double large, String rounds) {
    out.printf(
        Locale.ROOT,
        "  %s: %.2f examples/s; ratios %.2f (%s), %.2f (%s) %s%n",
        title,
        examplesPerSecond,
        batched / examplesPerSecond,
        FisherLoop.BATCHED.title(),
        large / examplesPerSecond,
        FisherLoop.LARGE.title(),
        rounds);
    out.flush();
  }

  /**
   * Prints the size of one flush of the sums on gradient-batches: float32, with an index where it
   * is sparse.
   */
  private void flush(GradientSubject subject, SquaredSums sums) {
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
    double parameters = subject.model().parameters();
    out.printf(
        Locale.ROOT,
        "  one flush of %d examples' sums (%d distinct): %.1f MB on gradient-batches, %.2f bytes a parameter; with dense embedding tables: %.1f MB, %.2f%n",
        sums.examples(),
        EXAMPLES,
        sparse / 1e6,
        sparse / parameters,
        dense / 1e6,
        dense / parameters);
  }

  private ModelRuntime plain(Path folder) {
    Compute single = new Compute(compute.device(), compute.fused(), Precision.FLOAT32);
    ModelFiles files = files(folder);
    try (Checkpoint checkpoint = Checkpoint.open(files.checkpoint())) {
      ModelConfig config =
          ModelConfig.parse("config.json", Files.readString(folder.resolve("config.json")));
      if (files.head().isEmpty()) {
        return ModelRuntimes.loadPlain(
            config, TensorSource.of(checkpoint), Optional.empty(), single);
      }
      try (Checkpoint head = Checkpoint.open(files.head().get())) {
        return ModelRuntimes.loadPlain(
            config, TensorSource.of(checkpoint), Optional.of(Head.of(head).tensors()), single);
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

  private void memory(GradientSubject subject, Path folder)
      throws IOException, InterruptedException {
    Path fisher = folder.resolve("fisher.safetensors");
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "fisher",
                "--model=" + folder.resolve("model.safetensors"),
                "--examples=" + folder.resolve("examples.safetensors"),
                "--num-examples=" + EXAMPLES,
                "--device=" + settings.device(),
                "--compute-dtype=" + settings.precision().text(),
                "--output=" + fisher));
    files(folder).head().ifPresent(head -> arguments.add("--head=" + head));
    ChildProcess run = ChildProcess.run(folder.resolve("fisher.log"), arguments);
    Files.delete(fisher);
    double gibibyte = 1 << 30;
    out.printf(
        Locale.ROOT,
        "fisher command, %s, %d examples: %.1f s, anonymous memory %.2f GiB at most; the model and its sums of squares: %.2f GiB%n",
        subject.title(),
        EXAMPLES,
        run.seconds(),
        run.anonymousBytes() / gibibyte,
        2.0 * subject.model().parameters() * Float.BYTES / gibibyte);
    out.flush();
  }

  private static String rounds(double[] values) {
    return Arrays.stream(values).mapToObj("%.2f"::formatted).toList().toString();
  }
}
