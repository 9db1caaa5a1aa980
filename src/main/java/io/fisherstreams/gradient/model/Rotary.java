package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import java.util.Optional;

/**
 * Rotary position embeddings (Su et al. 2021) as Hugging Face's Llama has them: dimension i of a
 * head turns together with dimension i + d/2, by the angle position · frequency_i.
 */
final class Rotary {
  private final double[] frequencies;

  private Rotary(double[] frequencies) {
    this.frequencies = frequencies;
  }

  /**
   * The embedding that a config describes, with {@code rope_theta} and {@code rope_scaling}, or
   * with {@code rope_parameters} as newer programs write it.
   *
   * @param headWidth elements of one head
   * @throws InvalidInput for an odd head, and for a scaling other than Llama 3's
   */
  static Rotary of(ModelConfig config, int headWidth) {
    if (headWidth % 2 != 0) {
      throw new InvalidInput(
          "%s: rotary positions need an even width of a head, found %s"
              .formatted(config.origin(), Integer.toString(headWidth)));
    }
    if (config.number("partial_rotary_factor", 1) != 1) {
      throw new InvalidInput(
          "%s: partial_rotary_factor is not implemented".formatted(config.origin()));
    }
    Optional<ModelConfig> settings =
        config.section("rope_parameters").or(() -> config.section("rope_scaling"));
    double theta =
        settings
            .filter(section -> section.has("rope_theta"))
            .orElse(config)
            .number("rope_theta", 10_000);
    double[] frequencies = new double[headWidth / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = Math.pow(theta, -2.0 * i / headWidth);
    }
    settings.ifPresent(section -> scale(section, frequencies));
    return new Rotary(frequencies);
  }

  private static void scale(ModelConfig settings, double[] frequencies) {
    if (settings.number("partial_rotary_factor", 1) != 1) {
      throw new InvalidInput(
          "%s: partial_rotary_factor is not implemented".formatted(settings.origin()));
    }
    String type = settings.text("rope_type", settings.text("type", "default"));
    switch (type) {
      case "default" -> {}
      case "llama3" -> scaleAsLlama3(settings, frequencies);
      default ->
          throw new InvalidInput(
              "%s: rope_type '%s' is not implemented; known are default and llama3"
                  .formatted(settings.origin(), type));
    }
  }

  /**
   * Slow frequencies are divided by a factor, fast ones stay, those between are blended (Llama 3.1,
   * {@code _compute_llama3_parameters} of Hugging Face's transformers).
   */
  private static void scaleAsLlama3(ModelConfig settings, double[] frequencies) {
    for (String key :
        new String[] {
          "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"
        }) {
      if (settings.number(key, 0) == 0) {
        throw new InvalidInput(
            "%s: rope_type llama3 needs a positive %s".formatted(settings.origin(), key));
      }
    }
    double factor = settings.number("factor", 0);
    double low = settings.number("low_freq_factor", 0);
    double high = settings.number("high_freq_factor", 0);
    double original = settings.number("original_max_position_embeddings", 0);
    for (int i = 0; i < frequencies.length; i++) {
      double wavelength = 2 * Math.PI / frequencies[i];
      if (wavelength > original / low) {
        frequencies[i] /= factor;
      } else if (wavelength >= original / high) {
        double smooth = (original / wavelength - low) / (high - low);
        frequencies[i] *= (1 - smooth) / factor + smooth;
      }
    }
  }

  /** The turns of positions 0 to length − 1. */
  Turn turn(NDManager scope, int length) {
    int width = 2 * frequencies.length;
    float[] cos = new float[length * width];
    float[] sin = new float[length * width];
    for (int position = 0; position < length; position++) {
      for (int i = 0; i < width; i++) {
        double angle = position * frequencies[i % frequencies.length];
        cos[position * width + i] = (float) Math.cos(angle);
        sin[position * width + i] = (float) Math.sin(angle);
      }
    }
    Angles angles =
        new Angles(
            scope.create(cos, new Shape(1, 1, length, width)),
            scope.create(sin, new Shape(1, 1, length, width)));
    return new Turn(angles, angles);
  }

  /**
   * Cosines and sines.
   *
   * @param cos (examples or 1, 1, rows, width of a head)
   * @param sin the same
   */
  private record Angles(NDArray cos, NDArray sin) {

    NDArray turn(NDArray x) {
      return x.mul(cos).add(quarterTurn(x).mul(sin));
    }

    /** The transpose of {@link #turn}. */
    NDArray turnBack(NDArray d, Backward backward) {
      return d.mul(byDirection(cos, backward))
          .subi(quarterTurn(d).muli(byDirection(sin, backward)));
    }

    private static NDArray byDirection(NDArray array, Backward backward) {
      return array.getShape().get(0) == 1 ? array : backward.byDirection(array);
    }

    private static NDArray quarterTurn(NDArray x) {
      NDList halves = x.split(2, 3);
      return NDArrays.concat(new NDList(halves.get(1).neg(), halves.get(0)), 3);
    }
  }

  /** How the queries and keys of one pass turn; both have shape (·, heads, rows, width). */
  static final class Turn {
    private final Angles query;
    private final Angles key;

    private Turn(Angles query, Angles key) {
      this.query = query;
      this.key = key;
    }

    /** The turns when queries have one row only; see {@link Attending#only}. */
    Turn only(NDArray row) {
      return new Turn(new Angles(pick(query.cos, row), pick(query.sin, row)), key);
    }

    private static NDArray pick(NDArray all, NDArray row) {
      return row.matMul(all.reshape(row.getShape().get(2), -1)).expandDims(1);
    }

    NDArray query(NDArray x) {
      return query.turn(x);
    }

    NDArray key(NDArray x) {
      return key.turn(x);
    }

    NDArray queryGradient(NDArray d, Backward backward) {
      return query.turnBack(d, backward);
    }

    NDArray keyGradient(NDArray d, Backward backward) {
      return key.turnBack(d, backward);
    }
  }
}
