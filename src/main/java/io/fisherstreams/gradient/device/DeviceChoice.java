package io.fisherstreams.gradient.device;

import io.fisherstreams.InvalidInput;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The device that a user asks for.
 *
 * @param kind of device
 * @param gpu the number of the GPU, from 0; 0 for other kinds
 */
public record DeviceChoice(Kind kind, int gpu) {
  /** The CPU. */
  public static final DeviceChoice CPU = new DeviceChoice(Kind.CPU, 0);

  /** The first GPU or, without one, the CPU. */
  public static final DeviceChoice AUTO = new DeviceChoice(Kind.AUTO, 0);

  private static final Pattern GPU = Pattern.compile("gpu:(\\d{1,4})");

  /** Kinds of devices. */
  public enum Kind {
    CPU,
    AUTO,
    GPU
  }

  /**
   * The device of a name.
   *
   * @throws InvalidInput unless the name is auto, cpu or gpu:N
   */
  public static DeviceChoice named(String name) {
    if (name.equals("cpu")) {
      return CPU;
    }
    if (name.equals("auto")) {
      return AUTO;
    }
    Matcher matcher = GPU.matcher(name);
    if (!matcher.matches()) {
      throw new InvalidInput(
          "expected auto, cpu or gpu:N, such as gpu:0, found '%s'".formatted(name));
    }
    return new DeviceChoice(Kind.GPU, Integer.parseInt(matcher.group(1)));
  }

  @Override
  public String toString() {
    return kind == Kind.GPU ? "gpu:" + gpu : kind.name().toLowerCase(Locale.ROOT);
  }
}
