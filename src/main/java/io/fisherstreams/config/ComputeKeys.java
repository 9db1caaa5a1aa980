package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.device.DeviceChoice;
import io.fisherstreams.gradient.device.Precision;
import java.util.Optional;
import java.util.function.Function;

/** The keys that say where models run. */
final class ComputeKeys {
  static final String DEVICE = "device";
  static final String DTYPE = "compute_dtype";

  private ComputeKeys() {}

  /** Reads the keys; empty when there are none. */
  static Optional<ComputeSettings> read(StrictYaml yaml) {
    if (!yaml.has(DEVICE) && !yaml.has(DTYPE)) {
      return Optional.empty();
    }
    ComputeSettings standard = ComputeSettings.DEFAULT;
    return Optional.of(
        new ComputeSettings(
            yaml.has(DEVICE) ? read(yaml, DEVICE, DeviceChoice::named) : standard.device(),
            yaml.has(DTYPE) ? read(yaml, DTYPE, Precision::named) : standard.precision()));
  }

  private static <T> T read(StrictYaml yaml, String key, Function<String, T> named) {
    try {
      return named.apply(yaml.text(key));
    } catch (InvalidInput e) {
      throw yaml.invalid(key, e.getMessage());
    }
  }
}
