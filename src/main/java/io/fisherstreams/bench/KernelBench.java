package io.fisherstreams.bench;

import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.tensor.Shard;
import java.io.PrintWriter;
import java.util.Collection;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
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
 * The merge of 8 float32 models, beside a copy of the bytes that it reads and writes. One thread,
 * data beyond the caches.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class KernelBench {
  private static final int MODELS = 8;
  private static final int SHARDS = 16;
  private static final int ELEMENTS = SHARDS * Shard.ELEMENTS;
  private static final int BLOCK = 8192;
  private static final int BLOCKS = ELEMENTS / BLOCK;

  private final float[][][] thetas = allocate(MODELS);
  private final float[][][] fishers = allocate(MODELS);
  private final float[][][] merged = allocate(1);
  private final float[][][] thetaCopies = allocate(MODELS);
  private final float[][][] fisherCopies = allocate(MODELS);
  private final float[][][] mergedCopy = allocate(1);
  private final FisherMerge kernel = new FisherMerge(BLOCK, 1e-6);
  private final double[] result = new double[BLOCK];

  /** Fills the models. */
  @Setup
  public void fill() {
    SplittableRandom random = new SplittableRandom(7);
    for (int model = 0; model < MODELS; model++) {
      for (int block = 0; block < BLOCKS; block++) {
        for (int j = 0; j < BLOCK; j++) {
          thetas[model][block][j] = (float) (random.nextDouble() - 0.5);
          fishers[model][block][j] = (float) random.nextDouble();
        }
      }
    }
  }

  private static float[][][] allocate(int tensors) {
    return new float[tensors][BLOCKS][BLOCK];
  }

  /** The arithmetic of the merge stage, block by block, rounded to float32. */
  @Benchmark
  public float[][][] merge() {
    for (int block = 0; block < BLOCKS; block++) {
      kernel.begin(BLOCK);
      for (int model = 0; model < MODELS; model++) {
        kernel.add(thetas[model][block], fishers[model][block], 1, 0.125);
      }
      kernel.finish(result);
      float[] target = merged[0][block];
      for (int j = 0; j < BLOCK; j++) {
        target[j] = (float) result[j];
      }
    }
    return merged;
  }

  /** The same blocks, copied. */
  @Benchmark
  public float[][][] copy() {
    for (int model = 0; model < MODELS; model++) {
      copy(thetas[model], thetaCopies[model]);
      copy(fishers[model], fisherCopies[model]);
    }
    copy(merged[0], mergedCopy[0]);
    return mergedCopy;
  }

  private static void copy(float[][] source, float[][] target) {
    for (int block = 0; block < BLOCKS; block++) {
      System.arraycopy(source[block], 0, target[block], 0, BLOCK);
    }
  }

  /** The merge's bandwidth over the copy's. */
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
    double merge = score(results, "merge");
    double copy = score(results, "copy");
    double gigabytes = (2.0 * MODELS + 1) * ELEMENTS * 4 / 1e9;
    out.printf(
        "merge kernel, %d models, one thread: %.2f GB/s; copy of the bytes it reads and writes: %.2f GB/s; ratio %.2f%n",
        MODELS, gigabytes / merge * 1e3, gigabytes / copy * 1e3, copy / merge);
    out.flush();
    return copy / merge;
  }

  private static double score(Collection<RunResult> results, String benchmark) {
    return results.stream()
        .filter(result -> result.getParams().getBenchmark().endsWith("." + benchmark))
        .mapToDouble(result -> result.getPrimaryResult().getScore())
        .findFirst()
        .orElseThrow();
  }
}
