package io.fisherstreams.gradient.model;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * The decoders of Llama, Mistral and Qwen2, with the names of Hugging Face's {@code LlamaModel},
 * {@code MistralModel} and {@code Qwen2Model}. They differ in biases and attention windows.
 */
final class Llama {
  private static final String FULL = "full_attention";
  private static final String SLIDING = "sliding_attention";

  private final ModelConfig config;
  private final Kind kind;
  private final int width;
  private final int layers;
  private final int maxPositions;

  private enum Kind {
    LLAMA,
    MISTRAL,
    QWEN2
  }

  private Llama(ModelConfig config, Kind kind) {
    this.config = config;
    this.kind = kind;
    this.width = config.positive("hidden_size", 4096);
    this.layers = config.positive("num_hidden_layers", 32);
    this.maxPositions = config.positive("max_position_embeddings", 2048);
  }

  /** The architectures for {@code model_type} "llama", "mistral" and "qwen2". */
  static List<Architecture> architectures() {
    return List.of(
        architecture("llama", Kind.LLAMA),
        architecture("mistral", Kind.MISTRAL),
        architecture("qwen2", Kind.QWEN2));
  }

  private static Architecture architecture(String modelType, Kind kind) {
    return new Architecture(
        Set.of(modelType),
        (config, parameters) -> {
          Llama llama = new Llama(config, kind);
          return new DecoderClassifier(config, parameters, llama.decoder(parameters), llama.width);
        },
        Optional.of(
            new Architecture.Language(
                (config, parameters) -> {
                  Llama llama = new Llama(config, kind);
                  return new DecoderLanguageModel(
                      config, parameters, llama.decoder(parameters), llama.width, false);
                },
                config -> DecoderLanguageModel.inputs(new Llama(config, kind).limits()))),
        config -> new Llama(config, kind).limits()::require,
        Optional.of(DecoderClassifier.SCORE));
  }

  private TokenBatch.Limits limits() {
    return new TokenBatch.Limits(
        config.positive("vocab_size", 32000), maxPositions, "max_position_embeddings", 0);
  }

  private Decoder decoder(Parameters parameters) {
    int heads = config.positive("num_attention_heads", 32);
    int keyHeads = config.positive("num_key_value_heads", kind == Kind.MISTRAL ? 8 : heads);
    if (heads % keyHeads != 0) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: num_key_value_heads %d does not divide num_attention_heads %d",
              config.origin(),
              keyHeads,
              heads));
    }
    int headWidth =
        config.has("head_dim")
            ? config.positive("head_dim")
            : config.headWidth("hidden_size", width, "num_attention_heads", heads);
    int queries = heads * headWidth;
    int keys = keyHeads * headWidth;
    int inner = config.positive("intermediate_size", 11008);
    float epsilon = (float) config.number("rms_norm_eps", 1e-6);
    Activation activation =
        Activation.named(config.origin(), "hidden_act", config.text("hidden_act", "silu"));
    boolean attentionBias = kind == Kind.LLAMA && config.flag("attention_bias", false);
    boolean queryBias = kind == Kind.QWEN2 || attentionBias;
    boolean mlpBias = kind == Kind.LLAMA && config.flag("mlp_bias", false);
    Rotary rotary = Rotary.of(config, headWidth);
    List<Integer> windows = windows();
    TokenBatch.Limits limits = limits();

    parameters.findPrefix("model.embed_tokens.weight", "embed_tokens.weight");
    String prefix = parameters.has("embed_tokens.weight") ? "" : "model.";
    LoadedParameter tokens =
        parameters.take(prefix + "embed_tokens.weight", limits.vocabulary(), width);
    List<TransformerBlock> blocks = new ArrayList<>();
    for (int i = 0; i < layers; i++) {
      String block = prefix + "layers." + i + ".";
      String attention = block + "self_attn.";
      String mlp = block + "mlp.";
      blocks.add(
          TransformerBlock.normFirst(
              new TransformerBlock.Step(
                  RmsNorm.of(parameters, block + "input_layernorm", width, epsilon),
                  new AttentionLayer(
                      List.of(
                          Linear.of(parameters, attention + "q_proj", width, queries, queryBias),
                          Linear.of(parameters, attention + "k_proj", width, keys, queryBias),
                          Linear.of(parameters, attention + "v_proj", width, keys, queryBias)),
                      new Attention(heads, keyHeads, 1 / Math.sqrt(headWidth)),
                      Linear.of(parameters, attention + "o_proj", queries, width, attentionBias))),
              new TransformerBlock.Step(
                  RmsNorm.of(parameters, block + "post_attention_layernorm", width, epsilon),
                  new Mlp(
                      Linear.of(parameters, mlp + "gate_proj", width, inner, mlpBias),
                      Linear.of(parameters, mlp + "up_proj", width, inner, mlpBias),
                      activation,
                      Linear.of(parameters, mlp + "down_proj", inner, width, mlpBias)))));
    }
    Norm finalNorm = RmsNorm.of(parameters, prefix + "norm", width, epsilon);
    parameters.ignore(name -> name.endsWith("rotary_emb.inv_freq"));
    return new Decoder(
        limits, tokens, Optional.empty(), Optional.of(rotary), windows, blocks, finalNorm);
  }

  /** For each layer, how many keys a query sees. */
  private List<Integer> windows() {
    int window = window();
    int firstWithWindow =
        kind == Kind.QWEN2 ? config.index("max_window_layers", Math.min(28, layers)) : 0;
    List<String> types = config.texts("layer_types");
    if (!types.isEmpty() && types.size() != layers) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: layer_types has %d entries for num_hidden_layers %d",
              config.origin(),
              types.size(),
              layers));
    }
    List<Integer> windows = new ArrayList<>();
    for (int i = 0; i < layers; i++) {
      String type = types.isEmpty() ? (i >= firstWithWindow ? SLIDING : FULL) : types.get(i);
      if (!type.equals(FULL) && !type.equals(SLIDING)) {
        throw new InvalidInput(
            "%s: layer_types '%s' is not implemented; known are %s and %s"
                .formatted(config.origin(), type, FULL, SLIDING));
      }
      windows.add(type.equals(FULL) ? maxPositions : window);
    }
    return windows;
  }

  private int window() {
    return switch (kind) {
      case LLAMA -> maxPositions;
      case MISTRAL ->
          config.mentions("sliding_window") && !config.has("sliding_window")
              ? maxPositions
              : config.positive("sliding_window", 4096);
      case QWEN2 ->
          config.flag("use_sliding_window", false)
              ? config.positive("sliding_window", 4096)
              : maxPositions;
    };
  }
}
