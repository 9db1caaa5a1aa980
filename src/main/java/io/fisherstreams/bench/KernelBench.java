package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.DType;
import io.fisherstreams.checkpoint.Numbers;
import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.tensor.Shard;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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
 * The merge of 8 models' bytes into float32, beside a copy of the bytes that it reads and writes.
 * One thread, data beyond the caches.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class KernelBench {
  private static final int MODELS = 8;
  private static final int SHARDS = 16;
  private static final int ELEMENTS = SHARDS * Shard.ELEMENTS;
  private static final int BLOCK = 8192;

  private final ByteBuffer[] thetas = new ByteBuffer[MODELS];
  private final ByteBuffer[] fishers = new ByteBuffer[MODELS];
  private final ByteBuffer[] copies = new ByteBuffer[2 * MODELS];
  private ByteBuffer merged;
  private ByteBuffer mergedCopy;
  private final FisherMerge kernel = new FisherMerge(BLOCK, 1e-6);
  private final double[] theta = new double[BLOCK];
  private final double[] fisher = new double[BLOCK];
  private final double[] result = new double[BLOCK];

  /** Fills the models. */
  @Setup
  public void fill() {
    SplittableRandom random = new SplittableRandom(7);
    for (int model = 0; model < MODELS; model++) {
      thetas[model] = allocate();
      fishers[model] = allocate();
      for (int j = 0; j < ELEMENTS; j++) {
        thetas[model].putFloat(j * 4, (float) (random.nextDouble() - 0.5));
        fishers[model].putFloat(j * 4, (float) random.nextDouble());
      }
      copies[2 * model] = allocate();
      copies[2 * model + 1] = allocate();
    }
    merged = allocate();
    mergedCopy = allocate();
  }

  private static ByteBuffer allocate() {
    return ByteBuffer.allocateDirect(ELEMENTS * 4).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** What the merge stage does with a run of elements, files aside. */
  @Benchmark
  public ByteBuffer merge() {
    for (int first = 0; first < ELEMENTS; first += BLOCK) {
      kernel.begin(BLOCK);
      for (int model = 0; model < MODELS; model++) {
        Numbers.toDouble(DType.F32, thetas[model], first * 4, theta, 0, BLOCK);
        Numbers.toDouble(DType.F32, fishers[model], first * 4, fisher, 0, BLOCK);
        kernel.add(theta, fisher, 1, 0.125);
      }
      kernel.finish(result);
      Numbers.fromDouble(DType.F32, result, 0, BLOCK, merged, first * 4);
    }
    return merged;
  }

  /** The same bytes, copied. */
  @Benchmark
  public ByteBuffer copy() {
    for (int model = 0; model < MODELS; model++) {
      copies[2 * model].put(0, thetas[model], 0, ELEMENTS * 4);
      copies[2 * model + 1].put(0, fishers[model], 0, ELEMENTS * 4);
    }
    mergedCopy.put(0, merged, 0, ELEMENTS * 4);
    return mergedCopy;
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
                    .jvmArgs("-Xmx1g", "-XX:MaxDirectMemorySize=2g")
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
