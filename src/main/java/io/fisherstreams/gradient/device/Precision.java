package io.fisherstreams.gradient.device;

import ai.djl.ndarray.NDArray;
import io.fisherstreams.InvalidInput;
import java.util.Arrays;

/**
 * The dtype of the matrix products of a model's forward and backward pass. Everything else, such as
 * norms, softmax and the sums of squares, is float32.
 */
public enum Precision {
  /** Products of float32 arrays. */
  FLOAT32("float32") {
    @Override
    public NDArray product(NDArray left, NDArray right) {
      return left.matMul(right);
    }

    @Override
    public NDArray linear(NDArray x, NDArray weight, NDArray bias) {
      return ai.djl.nn.core.Linear.linear(x, weight, bias).singletonOrThrow();
    }
  },

  /** Both factors are rounded to bfloat16, and so is their product. */
  BFLOAT16("bfloat16") {
    @Override
    public NDArray product(NDArray left, NDArray right) {
      return Bfloat16Product.of(left, right);
    }

    @Override
    public NDArray linear(NDArray x, NDArray weight, NDArray bias) {
      try (NDArray transposed = weight.transpose()) {
        NDArray y = product(x, transposed);
        return bias == null ? y : y.addi(bias);
      }
    }
  };

  private final String text;

  Precision(String text) {
    this.text = text;
  }

  /**
   * The precision of a name.
   *
   * @throws InvalidInput for another name
   */
  public static Precision named(String name) {
    return Arrays.stream(values())
        .filter(precision -> precision.text.equals(name))
        .findFirst()
        .orElseThrow(
            () -> new InvalidInput("expected float32 or bfloat16, found '%s'".formatted(name)));
  }

  /** Its name for users. */
  public String text() {
    return text;
  }

  /** left·right on the last two dimensions; the result is float32. */
  public abstract NDArray product(NDArray left, NDArray right);

  /**
   * x·weightᵀ + bias; the result is float32.
   *
   * @param x (…, inputs)
   * @param weight (outputs, inputs)
   * @param bias (outputs), or null for none
   */
  public abstract NDArray linear(NDArray x, NDArray weight, NDArray bias);
}
