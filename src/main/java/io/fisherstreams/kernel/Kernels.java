package io.fisherstreams.kernel;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeKernel;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the kernel that a user has named. */
public final class Kernels {
  private static final Logger LOG = LoggerFactory.getLogger(Kernels.class);

  private Kernels() {}

  /**
   * What makes kernels of this name. {@link KernelName#AUTO} is Java, at no cost, in a build
   * without ND4J's classes for a GPU. Otherwise it loads ND4J, and if that computes on a GPU,
   * merges the same blocks with both and takes the faster one.
   *
   * @param threads that will merge at the same time
   * @throws InvalidInput for {@link KernelName#ND4J}, when ND4J cannot be used on this machine
   */
  public static MergeKernel.Factory of(KernelName name, int threads) {
    return switch (name) {
      case JAVA -> MergeKernel.java();
      case ND4J -> Nd4jBackend.load();
      case AUTO ->
          Nd4jBackend.hasGpuClasses()
              ? faster(Kernels::onGpu, kernels -> KernelTrial.seconds(kernels, threads))
              : MergeKernel.java();
    };
  }

  private static Optional<MergeKernel.Factory> onGpu() {
    MergeKernel.Factory kernels = Nd4jBackend.load();
    return Nd4jBackend.usesGpu() ? Optional.of(kernels) : Optional.empty();
  }

  /**
   * ND4J where it takes less time than Java.
   *
   * @param onGpu loads ND4J; empty when it has no GPU
   * @param seconds measures a kernel
   */
  static MergeKernel.Factory faster(
      Supplier<Optional<MergeKernel.Factory>> onGpu,
      ToDoubleFunction<MergeKernel.Factory> seconds) {
    MergeKernel.Factory java = MergeKernel.java();
    try {
      Optional<MergeKernel.Factory> nd4j = onGpu.get();
      if (nd4j.isEmpty()) {
        return java;
      }
      double ratio = seconds.applyAsDouble(java) / seconds.applyAsDouble(nd4j.get());
      MergeKernel.Factory chosen = ratio > 1 ? nd4j.get() : java;
      LOG.info(
          "kernel {}: ND4J on the GPU merges {} times as fast as Java on the processors",
          ratio > 1 ? KernelName.ND4J : KernelName.JAVA,
          String.format(Locale.ROOT, "%.2f", ratio));
      return chosen;
    } catch (InvalidInput e) {
      LOG.warn("the kernel auto is java here: {}", e.getMessage());
      return java;
    }
  }
}
