package io.fisherstreams.gradient.device;

import ai.djl.Device;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.device.DeviceChoice.Kind;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * What a user asks for: a device, and the precision of matrix products on it.
 *
 * @param device by default the CPU
 * @param precision by default float32
 */
public record ComputeSettings(DeviceChoice device, Precision precision) {
  /** Float32 on the CPU. */
  public static final ComputeSettings DEFAULT =
      new ComputeSettings(DeviceChoice.CPU, Precision.FLOAT32);

  /**
   * Finds the device.
   *
   * @param notes is told why {@code auto} does not use a GPU
   * @throws InvalidInput when a GPU is asked for and is not there, or bfloat16 on the CPU
   */
  public Compute resolve(Consumer<String> notes) {
    return resolve(Gpus::detect, notes);
  }

  /**
   * As {@link #resolve(Consumer)}.
   *
   * @param gpus asked unless the device is the CPU
   */
  Compute resolve(Supplier<Gpus> gpus, Consumer<String> notes) {
    if (device.kind() == Kind.CPU) {
      return onCpu();
    }
    Gpus found = gpus.get();
    if (device.kind() == Kind.AUTO && found.count() == 0) {
      notes.accept("device auto: gradients run on the CPU: " + found.whyNone());
      return onCpu();
    }
    if (device.gpu() >= found.count()) {
      throw new InvalidInput(
          found.count() == 0
              ? "device %s: there is no GPU: %s".formatted(device, found.whyNone())
              : String.format(
                  Locale.ROOT,
                  "device %s: there is no such GPU; PyTorch finds %d, from gpu:0 to gpu:%d",
                  device,
                  found.count(),
                  found.count() - 1));
    }
    return Compute.on(Device.gpu(device.gpu()), precision);
  }

  private Compute onCpu() {
    if (precision != Precision.FLOAT32) {
      throw new InvalidInput(
          ("compute dtype %s: this run is on the CPU, which computes in float32 only; name a GPU"
                  + " (device gpu:0), or use float32")
              .formatted(precision.text()));
    }
    return Compute.cpu();
  }
}
