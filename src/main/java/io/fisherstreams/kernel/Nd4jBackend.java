package io.fisherstreams.kernel;

import com.google.common.base.Throwables;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeKernel;
import org.nd4j.linalg.factory.Nd4j;

/** ND4J in this process: whether it can be loaded, and what it computes on. */
final class Nd4jBackend {
  private static final String OF_CUDA = "org/nd4j/linalg/jcublas/JCublasBackend.class";

  private Nd4jBackend() {}

  /**
   * Loads ND4J, which takes a second or two the first time.
   *
   * @return makes kernels
   * @throws InvalidInput when it cannot be loaded, or does not round as Java does
   */
  static MergeKernel.Factory load() {
    MergeKernel.Factory kernels = Nd4jKernel::new;
    boolean roundsAlike;
    try {
      if (!usesGpu()) {
        // The merge has its own threads, one a processor.
        Nd4j.getEnvironment().setMaxThreads(1);
      }
      roundsAlike = KernelTrial.agree(kernels, MergeKernel.java());
    } catch (LinkageError | RuntimeException e) {
      throw new InvalidInput(
          "kernel nd4j: ND4J cannot be used on this machine: %s; use the kernel java"
              .formatted(reason(e)),
          e);
    }
    if (!roundsAlike) {
      throw new InvalidInput(
          "kernel nd4j: %s rounds differently from Java on this machine, and a release must not depend on that; use the kernel java"
              .formatted(name()));
    }
    return kernels;
  }

  private static String reason(Throwable failure) {
    Throwable first = Throwables.getRootCause(failure);
    return first.getMessage() == null ? first.toString() : first.getMessage();
  }

  /** Whether ND4J's classes for a GPU are there; nothing is loaded to find out. */
  static boolean hasGpuClasses() {
    return Nd4jBackend.class.getClassLoader().getResource(OF_CUDA) != null;
  }

  /** Whether the loaded ND4J computes on a GPU: it falls back to the processor without a word. */
  static boolean usesGpu() {
    return !Nd4j.getEnvironment().isCPU();
  }

  /** The loaded backend, for people. */
  static String name() {
    return "ND4J's " + Nd4j.getBackend().getClass().getSimpleName();
  }
}
