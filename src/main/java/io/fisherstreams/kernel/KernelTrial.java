package io.fisherstreams.kernel;

import com.google.common.util.concurrent.Uninterruptibles;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Merges some blocks with a kernel, to see whether it agrees with another, and how fast it is. */
final class KernelTrial {
  private static final int MODELS = 8;
  private static final int BLOCK = 32_768;
  private static final int BLOCKS = 16;
  private static final int REPETITIONS = 5;
  private static final int CHECKED = 4_099;

  private static final List<MergeFormula> FORMULAS =
      List.of(
          FisherAverage.of(1e-6, true),
          new FisherAverage(1, 0.5, FisherAverage.Unit.ONE, 0),
          new GradientMatching(1, GradientMatching.DEFAULT_PRIOR),
          new TaskArithmetic(TaskArithmetic.DEFAULT_SCALE));

  private final Term[][] terms;
  private final double[] base;
  private final double[] result;

  /** Random blocks: the numbers of models, with the smallest that float32 holds among them. */
  private KernelTrial(int blocks, int elements) {
    SplittableRandom random = new SplittableRandom(5);
    terms =
        IntStream.range(0, blocks)
            .mapToObj(
                block ->
                    Stream.generate(() -> term(random, elements))
                        .limit(MODELS)
                        .toArray(Term[]::new))
            .toArray(Term[][]::new);
    base = random.doubles(elements, -1, 1).toArray();
    result = new double[elements];
  }

  private static Term term(SplittableRandom random, int elements) {
    ByteBuffer theta = allocate(elements);
    ByteBuffer fisher = allocate(elements);
    for (int j = 0; j < elements; j++) {
      theta.putFloat(j * Float.BYTES, (float) random.nextDouble(-1, 1));
      fisher.putFloat(j * Float.BYTES, (float) Math.scalb(random.nextDouble(), -(j % 149)));
    }
    return new Term(DType.F32, theta, fisher, 3, 0.7, 1.0 / MODELS);
  }

  private static ByteBuffer allocate(int elements) {
    return ByteBuffer.allocateDirect(elements * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Whether two kernels give the same bits for every kind of term. */
  static boolean agree(MergeKernel.Factory kernels, MergeKernel.Factory others) {
    KernelTrial trial = new KernelTrial(1, CHECKED);
    return FORMULAS.stream()
        .allMatch(
            formula ->
                Arrays.equals(trial.merge(formula, kernels).clone(), trial.merge(formula, others)));
  }

  private double[] merge(MergeFormula formula, MergeKernel.Factory kernels) {
    try (MergeSums sums = formula.sums(kernels, base.length)) {
      for (Term[] models : terms) {
        sums.begin(base.length, base);
        for (int i = 0; i < MODELS; i += 2) {
          sums.add(models[i], models[i + 1]);
        }
        sums.finish(result);
      }
    }
    return result;
  }

  /**
   * The time for some blocks of the method {@code fisher} on each thread; the shortest of a few
   * repetitions, the first of which also compiles and loads.
   *
   * @param threads at least 1
   * @throws InvalidInput when the kernel fails on several threads
   */
  static double seconds(MergeKernel.Factory kernels, int threads) {
    List<Callable<double[]>> trials =
        Stream.generate(() -> new KernelTrial(BLOCKS, BLOCK))
            .limit(threads)
            .<Callable<double[]>>map(trial -> () -> trial.merge(FORMULAS.get(0), kernels))
            .toList();
    ExecutorService executor = Executors.newFixedThreadPool(threads);
    try {
      double shortest = Double.POSITIVE_INFINITY;
      for (int i = 0; i < REPETITIONS; i++) {
        long start = System.nanoTime();
        for (Future<double[]> trial : trials.stream().map(executor::submit).toList()) {
          Uninterruptibles.getUninterruptibly(trial);
        }
        shortest = Math.min(shortest, (System.nanoTime() - start) / 1e9);
      }
      return shortest;
    } catch (ExecutionException e) {
      throw new InvalidInput(
          "a kernel fails on %s threads: %s".formatted(threads, e.getCause()), e);
    } finally {
      executor.shutdown();
    }
  }
}
