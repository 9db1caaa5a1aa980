package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.device.DeviceChoice;
import io.fisherstreams.gradient.device.Precision;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Where models run on examples. */
public final class ComputeOptions {
  @Option(
      names = "--device",
      converter = Device.class,
      paramLabel = "DEVICE",
      description =
          "Where models run on examples: cpu, gpu:N (an NVIDIA GPU, from gpu:0), or auto, which is gpu:0 or, without a GPU, cpu (docs/gpu.md). Default: cpu.")
  private DeviceChoice device;

  @Option(
      names = "--compute-dtype",
      converter = Dtype.class,
      paramLabel = "DTYPE",
      description =
          "Precision of a GPU's matrix products: float32, or bfloat16, which is faster and less exact. Default: float32.")
  private Precision computeDtype;

  /** What the options say, or else what is configured. */
  public ComputeSettings over(ComputeSettings configured) {
    return new ComputeSettings(
        device == null ? configured.device() : device,
        computeDtype == null ? configured.precision() : computeDtype);
  }

  /** Reads a device's name. */
  static final class Device implements ITypeConverter<DeviceChoice> {
    @Override
    public DeviceChoice convert(String value) {
      try {
        return DeviceChoice.named(value);
      } catch (InvalidInput e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /** Reads a precision's name. */
  static final class Dtype implements ITypeConverter<Precision> {
    @Override
    public Precision convert(String value) {
      try {
        return Precision.named(value);
      } catch (InvalidInput e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }
}
