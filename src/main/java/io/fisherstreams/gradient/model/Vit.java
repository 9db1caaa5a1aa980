package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A vision transformer for image classification, as Hugging Face's {@code
 * ViTForImageClassification} in evaluation mode. The outputs are read at the class token.
 *
 * <p>Input: {@code pixel_values} (channels, image_size, image_size), normalised.
 */
final class Vit implements Network {
  private static final String CLASSIFIER = "classifier.weight";

  private final PatchEmbedding embedding;
  private final List<TransformerBlock> blocks;
  private final LayerNorm finalNorm;
  private final Linear classifier;
  private final Output output;

  private Vit(ModelConfig config, Parameters parameters) {
    int width = config.positive("hidden_size", 768);
    int heads = config.positive("num_attention_heads", 12);
    int headWidth = config.headWidth("hidden_size", width, "num_attention_heads", heads);
    int inner = config.positive("intermediate_size", 3072);
    float epsilon = (float) config.number("layer_norm_eps", 1e-12);
    boolean biased = config.flag("qkv_bias", true);
    Activation activation =
        Activation.named(config.origin(), "hidden_act", config.text("hidden_act", "gelu"));
    PatchEmbedding.Size size = size(config);
    OutputHead head = OutputHead.of(config, parameters, CLASSIFIER);
    output = head.kind();

    parameters.findPrefix("vit.embeddings.cls_token", "embeddings.cls_token");
    String prefix = parameters.has("embeddings.cls_token") ? "" : "vit.";
    String embeddings = prefix + "embeddings.";
    String patches = embeddings + "patch_embeddings.projection.";
    embedding =
        new PatchEmbedding(
            size,
            parameters.take(embeddings + "cls_token", 1, 1, width),
            new Linear(
                parameters.take(
                    patches + "weight", width, size.channels(), size.patch(), size.patch()),
                Optional.of(parameters.take(patches + "bias", width)),
                Linear.Layout.OUT_IN),
            parameters.take(embeddings + "position_embeddings", 1, size.rows(), width));
    blocks = new ArrayList<>();
    for (int i = 0; i < config.positive("num_hidden_layers", 12); i++) {
      String block = prefix + "encoder.layer." + i + ".";
      String attention = block + "attention.attention.";
      blocks.add(
          TransformerBlock.normFirst(
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + "layernorm_before", width, epsilon),
                  new AttentionLayer(
                      List.of(
                          Linear.of(parameters, attention + "query", width, width, biased),
                          Linear.of(parameters, attention + "key", width, width, biased),
                          Linear.of(parameters, attention + "value", width, width, biased)),
                      new Attention(heads, 1 / Math.sqrt(headWidth)),
                      Linear.of(parameters, block + "attention.output.dense", width, width, true))),
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + "layernorm_after", width, epsilon),
                  new Mlp(
                      null,
                      Linear.of(parameters, block + "intermediate.dense", width, inner, true),
                      activation,
                      Linear.of(parameters, block + "output.dense", inner, width, true)))));
    }
    finalNorm = LayerNorm.of(parameters, prefix + "layernorm", width, epsilon);
    classifier = Linear.of(parameters, "classifier", width, head.outputs(), true);
    parameters.ignore(name -> name.startsWith(prefix + "pooler."));
  }

  private static PatchEmbedding.Size size(ModelConfig config) {
    return PatchEmbedding.Size.of(config, 16);
  }

  /** The architecture for {@code model_type} "vit". */
  static Architecture architecture() {
    return new Architecture(
        Set.of("vit"), Vit::new, config -> size(config)::pixels, Optional.of(CLASSIFIER));
  }

  @Override
  public Output output() {
    return output;
  }

  @Override
  public Set<String> embeddings() {
    // Every example touches every row of the position embedding.
    return Set.of();
  }

  @Override
  public void requireInputs(Example example) {
    embedding.pixels(example);
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    return new VitPass(scope, batch, true);
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    return new VitPass(scope, batch, false).logits();
  }

  private final class VitPass implements Pass {
    private final int batch;
    private final PatchEmbedding.Pass embedded;
    private final BlockPasses passes;
    private final Layer.Pass normed;
    private final NDArray logits;

    /**
     * Runs the images.
     *
     * @param readOutOnly whether the last block computes only the row that the logits need; {@link
     *     #backward} requires this
     */
    VitPass(NDManager scope, List<Example> examples, boolean readOutOnly) {
      batch = examples.size();
      embedded = embedding.forward(scope, examples);
      NDArray select = embedded.selectClass();
      Attending all = Attending.masked(null);
      passes = BlockPasses.run(blocks, embedded.output(), all, readOutOnly ? select : null);
      NDArray x = passes.output();
      normed = finalNorm.forward(readOutOnly ? x : select.matMul(x));
      logits = classifier.forward(normed.output()).reshape(batch, -1);
    }

    @Override
    public NDArray logits() {
      return logits;
    }

    @Override
    public Backward.RowRanges ranges() {
      int[] to = new int[batch];
      Arrays.fill(to, embedding.size().rows());
      return new Backward.RowRanges(new int[batch], to);
    }

    @Override
    public void backward(NDArray d, Backward backward) {
      NDArray gradient =
          Scratch.scoped(
              () -> {
                classifier.addSquares(normed.output(), d, backward);
                return normed.backward(classifier.inputGradient(d), backward);
              });
      try (NDArray embeddings = passes.backward(gradient, backward)) {
        Scratch.run(() -> embedded.backward(embeddings, backward));
      }
    }
  }
}
