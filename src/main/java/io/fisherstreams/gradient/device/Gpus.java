package io.fisherstreams.gradient.device;

import ai.djl.engine.Engine;
import ai.djl.engine.StandardCapabilities;

/**
 * The NVIDIA GPUs that PyTorch can use in this process.
 *
 * @param count how many
 * @param whyNone why there is none, for people; empty when there is one
 */
public record Gpus(int count, String whyNone) {

  /**
   * Asks PyTorch.
   *
   * @throws io.fisherstreams.InvalidInput when the operator's PyTorch does not fit or load
   */
  public static Gpus detect() {
    Engine engine = TorchLibraries.engine();
    if (!engine.hasCapability(StandardCapabilities.CUDA)) {
      return new Gpus(
          0,
          "this PyTorch is the build for CPUs; PYTORCH_LIBRARY_PATH can name the folder lib of"
              + " another, which must be PyTorch "
              + TorchLibraries.expected(flavor -> !flavor.equals("cpu")));
    }
    int count = engine.getGpuCount();
    return new Gpus(
        count,
        count > 0
            ? ""
            : "PyTorch is a build for GPUs, but the CUDA runtime (libcudart.so, looked for in"
                + " LD_LIBRARY_PATH) finds no NVIDIA GPU");
  }
}
