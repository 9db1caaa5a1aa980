package io.fisherstreams.gradient.model;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** GPT-2's decoder, with the names of Hugging Face's {@code GPT2Model}. */
final class Gpt2 {
  private Gpt2() {}

  /** The architecture for {@code model_type} "gpt2". */
  static Architecture architecture() {
    return new Architecture(
        Set.of("gpt2"),
        Gpt2::classifier,
        Optional.of(
            new Architecture.Language(
                Gpt2::languageModel, config -> DecoderLanguageModel.inputs(limits(config)))),
        config -> limits(config)::require,
        Optional.of(DecoderClassifier.SCORE));
  }

  private static TokenBatch.Limits limits(ModelConfig config) {
    return new TokenBatch.Limits(
        config.positive("vocab_size", 50257),
        config.positive("n_positions", 1024),
        "n_positions",
        0);
  }

  private static Network classifier(ModelConfig config, Parameters parameters) {
    Decoder decoder = decoder(config, parameters);
    return new DecoderClassifier(config, parameters, decoder, config.positive("n_embd", 768));
  }

  private static LanguageNetwork languageModel(ModelConfig config, Parameters parameters) {
    Decoder decoder = decoder(config, parameters);
    int width = config.positive("n_embd", 768);
    return new DecoderLanguageModel(config, parameters, decoder, width, true);
  }

  private static Decoder decoder(ModelConfig config, Parameters parameters) {
    int width = config.positive("n_embd", 768);
    int heads = config.positive("n_head", 12);
    int headWidth = config.headWidth("n_embd", width, "n_head", heads);
    int inner = config.positive("n_inner", 4 * width);
    float epsilon = (float) config.number("layer_norm_epsilon", 1e-5);
    Activation activation =
        Activation.named(
            config.origin(), "activation_function", config.text("activation_function", "gelu_new"));
    if (config.flag("add_cross_attention", false)) {
      throw new InvalidInput(
          "%s: add_cross_attention is not implemented".formatted(config.origin()));
    }
    boolean scaled = config.flag("scale_attn_weights", true);
    boolean byLayer = config.flag("scale_attn_by_inverse_layer_idx", false);
    TokenBatch.Limits limits = limits(config);

    parameters.findPrefix("transformer.wte.weight", "wte.weight");
    String prefix = parameters.has("wte.weight") ? "" : "transformer.";
    LoadedParameter tokens = parameters.take(prefix + "wte.weight", limits.vocabulary(), width);
    LoadedParameter positions =
        parameters.take(prefix + "wpe.weight", limits.maxPositions(), width);
    List<TransformerBlock> blocks = new ArrayList<>();
    for (int i = 0; i < config.positive("n_layer", 12); i++) {
      String block = prefix + "h." + i + ".";
      double scale = (scaled ? 1 / Math.sqrt(headWidth) : 1.0) / (byLayer ? i + 1 : 1);
      blocks.add(
          TransformerBlock.normFirst(
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + "ln_1", width, epsilon),
                  new AttentionLayer(
                      List.of(conv1d(parameters, block + "attn.c_attn", width, 3 * width)),
                      new Attention(heads, scale),
                      conv1d(parameters, block + "attn.c_proj", width, width))),
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + "ln_2", width, epsilon),
                  new Mlp(
                      null,
                      conv1d(parameters, block + "mlp.c_fc", width, inner),
                      activation,
                      conv1d(parameters, block + "mlp.c_proj", inner, width)))));
    }
    LayerNorm finalNorm = LayerNorm.of(parameters, prefix + "ln_f", width, epsilon);
    // Old checkpoints contain the causal mask as a tensor; here it is computed.
    parameters.ignore(name -> name.endsWith(".attn.bias") || name.endsWith(".attn.masked_bias"));
    return new Decoder(
        limits,
        tokens,
        Optional.of(positions),
        Optional.empty(),
        Collections.nCopies(blocks.size(), limits.maxPositions()),
        blocks,
        finalNorm);
  }

  private static Linear conv1d(Parameters parameters, String name, int inputs, int outputs) {
    return Linear.of(parameters, name, inputs, outputs, Linear.Layout.IN_OUT);
  }
}
