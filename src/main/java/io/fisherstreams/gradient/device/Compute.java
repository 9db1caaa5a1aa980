package io.fisherstreams.gradient.device;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.tensor.VectorUnit;
import java.util.Map;
import java.util.TreeMap;

/**
 * Where and how a model runs and its gradients are squared.
 *
 * @param device has the parameters, the activations and the sums of squares
 * @param fused whether weight gradients are formed and squared by this project's own code for the
 *     processor's vectors, in the host's memory; otherwise all work is done by operations of
 *     PyTorch that run on every device
 * @param precision of matrix products
 */
public record Compute(Device device, boolean fused, Precision precision) {

  /** The CPU, in float32, in the fastest way. */
  public static Compute cpu() {
    return new Compute(Device.cpu(), VectorUnit.IS_USABLE, Precision.FLOAT32);
  }

  /** A device, by operations of PyTorch only. */
  public static Compute on(Device device, Precision precision) {
    return new Compute(device, false, precision);
  }

  /** What a Fisher's metadata say of it; nothing for the CPU and float32. */
  public Map<String, String> provenance() {
    Map<String, String> metadata = new TreeMap<>();
    if (device.isGpu()) {
      metadata.put("device", "gpu");
    }
    if (precision != Precision.FLOAT32) {
      metadata.put("compute_dtype", precision.text());
    }
    return metadata;
  }

  /** A new manager whose arrays are on the device; the caller closes it. */
  public NDManager newManager() {
    return TorchLibraries.engine().newBaseManager(device);
  }
}
