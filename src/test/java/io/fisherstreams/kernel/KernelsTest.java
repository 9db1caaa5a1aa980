package io.fisherstreams.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.fisher.PlainKernel;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class KernelsTest {
  private static final MergeKernel.Factory GPU = PlainKernel::new;

  private static boolean isGpuTaken(double secondsOfGpu, double secondsOfJava) {
    return Kernels.faster(
            () -> Optional.of(GPU), kernels -> kernels == GPU ? secondsOfGpu : secondsOfJava)
        == GPU;
  }

  @Test
  void autoTakesTheGpuWhereItIsFaster() {
    assertThat(isGpuTaken(0.9, 1)).isTrue();
    assertThat(isGpuTaken(1.1, 1)).isFalse();
    assertThat(isGpuTaken(1, 1)).isFalse();
  }

  @Test
  void autoTakesJavaWithoutMeasuringWhereNd4jHasNoGpu() {
    MergeKernel.Factory chosen =
        Kernels.faster(
            Optional::empty,
            kernels -> {
              throw new AssertionError("measured");
            });
    assertThat(chosen.create(1, 2)).hasSameClassAs(MergeKernel.java().create(1, 2));
  }

  @Test
  void autoTakesJavaWhereNd4jCannotBeUsed() {
    MergeKernel.Factory chosen =
        Kernels.faster(
            () -> {
              throw new InvalidInput("kernel nd4j: no driver");
            },
            kernels -> 1);
    assertThat(chosen.create(1, 2)).hasSameClassAs(MergeKernel.java().create(1, 2));
  }

  @Test
  void namesAreTheKernelsOfThisBuild() {
    assertThat(Kernels.of(KernelName.AUTO, 1).create(1, 2))
        .hasSameClassAs(MergeKernel.java().create(1, 2));
    assertThat(Kernels.of(KernelName.JAVA, 1).create(1, 2))
        .hasSameClassAs(MergeKernel.java().create(1, 2));
    try (MergeKernel kernel = Kernels.of(KernelName.ND4J, 2).create(1, 2)) {
      assertThat(kernel).isInstanceOf(Nd4jKernel.class);
    }
  }

  /** Rounds a product and a sum only once, as some GPUs do unless they are told otherwise. */
  private static final class Fused extends PlainKernel {
    Fused(int capacity, int sums) {
      super(capacity, sums);
    }

    @Override
    public void addWeighted(Term term, double constant) {
      double[][] sums = totals();
      for (int j = 0; j < term.theta().limit() / Float.BYTES; j++) {
        double fisher = term.fisher().getFloat(j * Float.BYTES);
        double weight = Math.fma(fisher, term.scale(), term.bias(constant));
        sums[0][j] += weight * term.theta().getFloat(j * Float.BYTES);
        sums[1][j] += weight;
      }
    }
  }

  @Test
  void aKernelThatRoundsOtherwiseIsFound() {
    assertThat(KernelTrial.agree(PlainKernel::new, MergeKernel.java())).isTrue();
    assertThat(KernelTrial.agree(Fused::new, MergeKernel.java())).isFalse();
  }

  @Test
  void aTrialTakesSomeTimeOnEveryThread() {
    assertThat(KernelTrial.seconds(MergeKernel.java(), 2)).isPositive().isFinite();
  }
}
