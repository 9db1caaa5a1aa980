package io.fisherstreams.bench;

import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.fisher.PlainKernel;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.kernel.Kernels;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.Shard;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * The merge of 8 float32 models by each kernel, compared with a copy of the bytes that it reads and
 * writes. One thread; the data are larger than the caches.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class KernelBench {
  private static final int MODELS = 8;
  private static final int SHARDS = 16;
  private static final int ELEMENTS = SHARDS * Shard.ELEMENTS;
  private static final int BLOCK = 32_768;
  private static final int BLOCKS = ELEMENTS / BLOCK;

  private final ByteBuffer[] thetas = allocate(MODELS);
  private final ByteBuffer[] fishers = allocate(MODELS);
  private final ByteBuffer merged = allocate();
  private final ByteBuffer[] thetaCopies = allocate(MODELS);
  private final ByteBuffer[] fisherCopies = allocate(MODELS);
  private final ByteBuffer mergedCopy = allocate();
  private final MergeFormula formula =
      FisherAverage.of(ManifestRules.DEFAULT_MINIMAL_FISHER_WEIGHT, false);
  private final double[] base = new double[BLOCK];
  private final double[] result = new double[BLOCK];

  /** Fills the models. */
  @Setup
  public void fill() {
    SplittableRandom random = new SplittableRandom(7);
    for (int model = 0; model < MODELS; model++) {
      for (int j = 0; j < ELEMENTS; j++) {
        thetas[model].putFloat(j * Float.BYTES, (float) (random.nextDouble() - 0.5));
        fishers[model].putFloat(j * Float.BYTES, (float) random.nextDouble());
      }
    }
  }

  private static ByteBuffer[] allocate(int tensors) {
    return Stream.generate(KernelBench::allocate).limit(tensors).toArray(ByteBuffer[]::new);
  }

  private static ByteBuffer allocate() {
    return ByteBuffer.allocateDirect(ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static ByteBuffer block(ByteBuffer tensor, int block) {
    return tensor.slice(block * BLOCK * Float.BYTES, BLOCK * Float.BYTES);
  }

  /** The plain loops. */
  @Benchmark
  public ByteBuffer plain() {
    return merge(PlainKernel::new);
  }

  /** Java's loops, with the processor's vectors where they are usable. */
  @Benchmark
  public ByteBuffer java() {
    return merge(MergeKernel.java());
  }

  /** ND4J. */
  @Benchmark
  public ByteBuffer nd4j(Nd4j loaded) {
    return merge(loaded.kernels);
  }

  /** ND4J, loaded once, and only where it is measured. */
  @State(Scope.Benchmark)
  public static class Nd4j {
    private final MergeKernel.Factory kernels = Kernels.of(KernelName.ND4J, 1);
  }

  /** The arithmetic of the merge stage, block by block, rounded to float32. */
  private ByteBuffer merge(MergeKernel.Factory kernels) {
    try (MergeSums sums = formula.sums(kernels, BLOCK)) {
      for (int block = 0; block < BLOCKS; block++) {
        sums.begin(BLOCK, base);
        for (int model = 0; model < MODELS; model += 2) {
          sums.add(term(model, block), term(model + 1, block));
        }
        sums.finish(result);
        FloatCodec.fromDouble(DType.F32, result, 0, BLOCK, merged, block * BLOCK * Float.BYTES);
      }
    }
    return merged;
  }

  private Term term(int model, int block) {
    return new Term(DType.F32, block(thetas[model], block), block(fishers[model], block), 1, 0.125);
  }

  /** The same blocks, copied. */
  @Benchmark
  public ByteBuffer copy() {
    for (int model = 0; model < MODELS; model++) {
      copy(thetas[model], thetaCopies[model]);
      copy(fishers[model], fisherCopies[model]);
    }
    copy(merged, mergedCopy);
    return mergedCopy;
  }

  private static void copy(ByteBuffer source, ByteBuffer target) {
    for (int block = 0; block < BLOCKS; block++) {
      int first = block * BLOCK * Float.BYTES;
      target.put(first, source, first, BLOCK * Float.BYTES);
    }
  }

  /** Measures all kernels; returns the bandwidth of Java's divided by the copy's. */
  static double run(PrintWriter out) throws RunnerException {
    Collection<RunResult> results =
        new Runner(
                new OptionsBuilder()
                    .include(KernelBench.class.getName())
                    .forks(1)
                    .warmupIterations(3)
                    .warmupTime(TimeValue.seconds(1))
                    .measurementIterations(5)
                    .measurementTime(TimeValue.seconds(1))
                    .verbosity(VerboseMode.SILENT)
                    .build())
            .run();
    double gigabytes = (2.0 * MODELS + 1) * ELEMENTS * 4 / 1e9;
    double copy = score(results, "copy");
    out.printf(
        Locale.ROOT,
        "merge of %d models, one thread; a copy of the bytes that it reads and writes: %.2f GB/s%n",
        MODELS,
        gigabytes / copy * 1e3);
    for (String kernel : List.of("plain", "java", "nd4j")) {
      double merge = score(results, kernel);
      out.printf(
          Locale.ROOT,
          "  kernel %-6s %.2f GB/s; ratio to the copy %.2f%n",
          kernel,
          gigabytes / merge * 1e3,
          copy / merge);
    }
    out.flush();
    return copy / score(results, "java");
  }

  private static double score(Collection<RunResult> results, String benchmark) {
    return results.stream()
        .filter(result -> result.getParams().getBenchmark().endsWith("." + benchmark))
        .mapToDouble(result -> result.getPrimaryResult().getScore())
        .findFirst()
        .orElseThrow();
  }
}
