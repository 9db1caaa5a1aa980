package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A plain network: optional convolutions, then linear layers, with the same activation after every
 * layer except the last.
 *
 * <p>{@code model_type} "mlp": {@code input_size}, {@code hidden_sizes} (a list), {@code
 * activation}, and the number of classes as {@code num_labels} or {@code id2label}. Tensors: {@code
 * layers.N.weight} (outputs, inputs) and {@code layers.N.bias} (outputs), N from 0. Input: {@code
 * pixel_values} of any shape with input_size elements.
 *
 * <p>{@code model_type} "cnn": as "mlp", but with {@code num_channels}, {@code image_size}, {@code
 * conv_channels} (a list), {@code kernel_size}, {@code stride} and {@code padding} instead of
 * input_size. Tensors: also {@code conv.N.weight} (outputs, inputs, kernel_size, kernel_size) and
 * {@code conv.N.bias}. Input: {@code pixel_values} (num_channels, image_size, image_size). The last
 * convolution's output is flattened as (channels, height, width).
 */
final class FeedForward implements Network {
  private static final String INPUT = "pixel_values";

  private final Input input;
  private final List<Convolution> convolutions = new ArrayList<>();
  private final List<Linear> layers = new ArrayList<>();
  private final Activation activation;

  /**
   * What an example must have.
   *
   * @param shape empty for any shape of this size
   */
  private record Input(Optional<List<Long>> shape, int size) {
    static Input of(ModelConfig config) {
      if (config.modelType().equals("cnn")) {
        int channels = config.positive("num_channels");
        int side = config.positive("image_size");
        return new Input(
            Optional.of(List.of((long) channels, (long) side, (long) side)),
            channels * side * side);
      }
      return new Input(Optional.empty(), config.positive("input_size"));
    }

    InputTensor of(Example example) {
      InputTensor found = example.input(INPUT);
      boolean shaped = shape.map(found.shape()::equals).orElse(true);
      if (!shaped || found.elements() != size || !found.dtype().mergeable()) {
        throw example.invalid(
            "%s: expected floating values of shape %s, found %s %s"
                .formatted(
                    INPUT, shape.orElse(List.of((long) size)), found.dtype(), found.shape()));
      }
      return found;
    }
  }

  private FeedForward(ModelConfig config, Parameters parameters) {
    input = Input.of(config);
    activation = Activation.named(config.origin(), "activation", config.text("activation", "relu"));
    int width;
    parameters.findPrefix("layers.0.weight");
    if (config.modelType().equals("cnn")) {
      int channels = config.positive("num_channels");
      int side = config.positive("image_size");
      int[] convChannels = config.positives("conv_channels");
      for (int i = 0; i < convChannels.length; i++) {
        Convolution convolution =
            new Convolution(config, parameters, "conv." + i, channels, convChannels[i], side);
        convolutions.add(convolution);
        channels = convChannels[i];
        side = convolution.outputSide();
      }
      width = channels * side * side;
    } else {
      width = input.size();
    }
    config.requireClasses(config.classes(), "num_labels or id2label");
    int[] hidden = config.positives("hidden_sizes");
    for (int i = 0; i <= hidden.length; i++) {
      int outputs = i < hidden.length ? hidden[i] : config.classes();
      layers.add(Linear.of(parameters, "layers." + i, width, outputs, Linear.Layout.OUT_IN));
      width = outputs;
    }
  }

  /** The architecture for {@code model_type} "mlp" and "cnn". */
  static Architecture architecture() {
    return new Architecture(
        Set.of("mlp", "cnn"), FeedForward::new, config -> Input.of(config)::of, Optional.empty());
  }

  @Override
  public Set<String> embeddings() {
    return Set.of();
  }

  @Override
  public void requireInputs(Example example) {
    input.of(example);
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    float[] values = new float[batch.size() * input.size()];
    for (int i = 0; i < batch.size(); i++) {
      input.of(batch.get(i)).toFloats(values, i * input.size());
    }
    return new FeedForwardPass(scope.create(values, new Shape(batch.size(), input.size())));
  }

  private final class FeedForwardPass implements Pass {
    private final int batch;
    private final List<NDArray> inputs = new ArrayList<>();
    private final List<NDArray> preActivations = new ArrayList<>();
    private final NDArray logits;

    FeedForwardPass(NDArray input) {
      batch = Math.toIntExact(input.getShape().get(0));
      logits =
          Scratch.scoped(
              () -> {
                NDArray x = input;
                for (Convolution convolution : convolutions) {
                  NDArray patches = keep(convolution.unfold(x));
                  inputs.add(patches);
                  NDArray z = keep(convolution.linear().forward(patches));
                  preActivations.add(z);
                  x = activation.apply(z).transpose(0, 2, 1).reshape(batch, -1);
                }
                x = x.reshape(batch, 1, -1);
                for (int i = 0; i < layers.size(); i++) {
                  inputs.add(keep(x));
                  x = layers.get(i).forward(x);
                  if (i < layers.size() - 1) {
                    preActivations.add(keep(x));
                    x = activation.apply(x);
                  }
                }
                return x.reshape(batch, -1);
              });
    }

    @Override
    public NDArray logits() {
      return logits;
    }

    @Override
    public Backward.RowRanges ranges() {
      int[] all = new int[batch];
      Arrays.fill(all, Integer.MAX_VALUE);
      return new Backward.RowRanges(new int[batch], all);
    }

    @Override
    public void backward(NDArray output, Backward backward) {
      Scratch.run(
          () -> {
            NDArray d = output;
            int directions = backward.directions();
            for (int i = layers.size() - 1; i >= 0; i--) {
              int layer = convolutions.size() + i;
              layers.get(i).addSquares(inputs.get(layer), d, backward);
              if (layer == 0) {
                return;
              }
              d = layers.get(i).inputGradient(d);
              if (i > 0) {
                d = d.mul(slope(layer - 1, backward));
              }
            }
            d = d.reshape(directions, -1);
            for (int i = convolutions.size() - 1; i >= 0; i--) {
              Convolution convolution = convolutions.get(i);
              long patches = (long) convolution.outputSide() * convolution.outputSide();
              d = d.reshape(directions, -1, patches).transpose(0, 2, 1).mul(slope(i, backward));
              convolution.linear().addSquares(inputs.get(i), d, backward);
              if (i > 0) {
                d = convolution.fold(convolution.linear().inputGradient(d));
              }
            }
          });
    }

    private NDArray slope(int layer, Backward backward) {
      return backward.byDirection(activation.derivative(preActivations.get(layer)));
    }
  }
}
