package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.times;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.fisherstreams.InvalidInput;

/**
 * The element-wise activation functions of Hugging Face configs.
 *
 * <p>GELU's tanh form, quick GELU and SiLU are one family, x·σ(g(x)) with σ the logistic function,
 * since ½(1 + tanh u) = σ(2u); their derivative is σ + x·σ(1 − σ)·g′.
 */
enum Activation {
  /** x·Φ(x), Φ the normal distribution function. */
  GELU {
    @Override
    NDArray apply(NDArray x) {
      return x.mul(normalDistribution(x));
    }

    @Override
    NDArray derivative(NDArray x) {
      NDArray density = x.square().muli(-0.5f).exp().muli((float) (1 / Math.sqrt(2 * Math.PI)));
      return density.muli(x).addi(normalDistribution(x));
    }

    private NDArray normalDistribution(NDArray x) {
      return times(times(x, (float) Math.sqrt(0.5)).erf().add(1f), 0.5f);
    }
  },
  /** GELU's tanh approximation: g(x) = 2·√(2/π)·(x + 0.044715·x³). */
  GELU_NEW {
    @Override
    NDArray apply(NDArray x) {
      return x.mul(gate(x));
    }

    @Override
    NDArray derivative(NDArray x) {
      NDArray slope = x.square().muli((float) (3 * CUBIC * GELU_SCALE)).addi((float) GELU_SCALE);
      return gatedDerivative(x, gate(x), slope);
    }

    private NDArray gate(NDArray x) {
      NDArray polynomial = times(x.square(), (float) (CUBIC * GELU_SCALE)).add((float) GELU_SCALE);
      return sigmoid(polynomial.mul(x));
    }
  },
  /** g(x) = 1.702·x. */
  QUICK_GELU {
    @Override
    NDArray apply(NDArray x) {
      return x.mul(sigmoid(times(x, 1.702f)));
    }

    @Override
    NDArray derivative(NDArray x) {
      NDArray gate = sigmoid(times(x, 1.702f));
      return gatedDerivative(x, gate, x.getManager().create(1.702f));
    }
  },
  /** g(x) = x. */
  SILU {
    @Override
    NDArray apply(NDArray x) {
      return x.mul(sigmoid(x));
    }

    @Override
    NDArray derivative(NDArray x) {
      return gatedDerivative(x, sigmoid(x), x.getManager().create(1f));
    }
  },
  /** max(x, 0), with derivative 0 at 0. */
  RELU {
    @Override
    NDArray apply(NDArray x) {
      return x.getNDArrayInternal().relu();
    }

    @Override
    NDArray derivative(NDArray x) {
      return x.gt(0f).toType(DataType.FLOAT32, false);
    }
  },
  TANH {
    @Override
    NDArray apply(NDArray x) {
      return x.tanh();
    }

    @Override
    NDArray derivative(NDArray x) {
      return x.tanh().square().neg().add(1f);
    }
  };

  private static final double CUBIC = 0.044715;
  private static final double GELU_SCALE = 2 * Math.sqrt(2 / Math.PI);

  /** f(x), element by element. */
  abstract NDArray apply(NDArray x);

  /** f′(x), element by element; x is the argument of {@link #apply}. */
  abstract NDArray derivative(NDArray x);

  /**
   * The function that a config names.
   *
   * @throws InvalidInput for a name that is not implemented
   */
  static Activation named(String origin, String key, String name) {
    return switch (name) {
      case "gelu" -> GELU;
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> GELU_NEW;
      case "quick_gelu" -> QUICK_GELU;
      case "silu", "swish" -> SILU;
      case "relu" -> RELU;
      case "tanh" -> TANH;
      default ->
          throw new InvalidInput(
              ("%s: %s '%s' is not implemented; known are gelu, gelu_new, gelu_pytorch_tanh,"
                      + " gelu_fast, quick_gelu, silu, swish, relu, tanh")
                  .formatted(origin, key, name));
    };
  }

  private static NDArray sigmoid(NDArray x) {
    return x.getNDArrayInternal().sigmoid();
  }

  /** σ + x·σ(1 − σ)·g′, in place where possible: these arrays are the widest of a block. */
  private static NDArray gatedDerivative(NDArray x, NDArray gate, NDArray slope) {
    return gate.neg().addi(1f).muli(gate).muli(x).muli(slope).addi(gate);
  }
}
