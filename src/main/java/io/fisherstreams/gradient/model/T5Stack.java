package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.checkpoint.ModelConfig;
import java.util.ArrayList;
import java.util.List;

/** T5's encoder or decoder: blocks with one table of relative positions, and a last norm. */
final class T5Stack {
  private final RelativeBias positions;
  private final List<TransformerBlock> steps = new ArrayList<>();
  private final List<Boolean> readsEncoder = new ArrayList<>();
  private final Norm finalNorm;

  private final Parameters parameters;
  private final int width;
  private final int heads;
  private final int inner;
  private final float epsilon;

  /**
   * Loads a stack.
   *
   * @param isDecoder whether it is the decoder, whose blocks also read the encoder's output
   */
  T5Stack(ModelConfig config, Parameters parameters, boolean isDecoder, int layers) {
    this.parameters = parameters;
    width = config.positive("d_model", 512);
    heads = config.positive("num_heads", 8);
    inner = heads * config.positive("d_kv", 64);
    epsilon = (float) config.number("layer_norm_epsilon", 1e-6);
    String stack = isDecoder ? "decoder." : "encoder.";
    int buckets = config.positive("relative_attention_num_buckets", 32);
    positions =
        new RelativeBias(
            parameters.take(
                stack + "block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                buckets,
                heads),
            !isDecoder,
            config.positive("relative_attention_max_distance", 128));
    for (int i = 0; i < layers; i++) {
      String block = stack + "block." + i + ".layer.";
      String self = block + "0.SelfAttention.";
      add(
          block + "0",
          new AttentionLayer(
              List.of(query(self + "q"), query(self + "k"), query(self + "v")),
              new Attention(heads, 1),
              out(self + "o")),
          false);
      if (isDecoder) {
        String cross = block + "1.EncDecAttention.";
        add(
            block + "1",
            new CrossAttention(
                query(cross + "q"),
                query(cross + "k"),
                query(cross + "v"),
                new Attention(heads, 1),
                out(cross + "o")),
            true);
      }
      String last = block + (isDecoder ? "2" : "1");
      add(last, mlp(config, last + ".DenseReluDense."), false);
    }
    finalNorm = RmsNorm.of(parameters, stack + "final_layer_norm", width, epsilon);
  }

  private void add(String name, Layer layer, boolean readsEncoder) {
    Norm norm = RmsNorm.of(parameters, name + ".layer_norm", width, epsilon);
    steps.add(TransformerBlock.normFirst(new TransformerBlock.Step(norm, layer)));
    this.readsEncoder.add(readsEncoder);
  }

  private Linear query(String name) {
    return Linear.of(parameters, name, width, inner, false);
  }

  private Linear out(String name) {
    return Linear.of(parameters, name, inner, width, false);
  }

  private Mlp mlp(ModelConfig config, String name) {
    int between = config.positive("d_ff", 2048);
    String function = config.text("feed_forward_proj", "relu");
    boolean gated = function.startsWith("gated-");
    String plain = gated ? function.substring("gated-".length()) : function;
    Activation activation =
        Activation.named(
            config.origin(),
            "feed_forward_proj",
            gated && plain.equals("gelu") ? "gelu_new" : plain);
    Linear down = Linear.of(parameters, name + "wo", between, width, false);
    return gated
        ? new Mlp(
            Linear.of(parameters, name + "wi_0", width, between, false),
            Linear.of(parameters, name + "wi_1", width, between, false),
            activation,
            down)
        : new Mlp(
            null, Linear.of(parameters, name + "wi", width, between, false), activation, down);
  }

  /**
   * Runs the stack.
   *
   * @param x (examples, rows, width)
   * @param mask of the self-attention
   * @param encoder what the cross-attention reads; null in the encoder
   */
  Pass forward(NDManager scope, NDArray x, NDArray mask, Attending encoder) {
    return new Pass(scope, x, mask, encoder);
  }

  /** One application. */
  final class Pass {
    private final RelativeBias.Pass bias;
    private final BlockPasses passes;
    private final Layer.Pass normed;

    private Pass(NDManager scope, NDArray embedded, NDArray mask, Attending encoder) {
      bias = positions.forward(scope, Math.toIntExact(embedded.getShape().get(1)));
      Attending self = Attending.biased(mask.add(bias.bias()), bias);
      passes = BlockPasses.run(steps, embedded, i -> readsEncoder.get(i) ? encoder : self);
      normed = finalNorm.forward(passes.output());
    }

    /** (examples, rows, width). */
    NDArray output() {
      return normed.output();
    }

    /**
     * Adds all squared gradients.
     *
     * @param d the output's gradients, (directions, rows, width)
     * @return the input's gradients
     */
    NDArray backward(NDArray d, Backward backward) {
      NDArray gradient =
          passes.backward(Scratch.scoped(() -> normed.backward(d, backward)), backward);
      bias.addSquares(backward);
      return gradient;
    }
  }
}
