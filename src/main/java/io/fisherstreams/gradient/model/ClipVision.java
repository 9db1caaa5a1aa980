package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * CLIP's vision tower, as Hugging Face's {@code CLIPVisionModel}, under a frozen zero-shot head:
 * logit_c = exp(logit_scale) · cos(visual_projection · pooled, text_embeds_c).
 *
 * <p>The head's tensors are {@code visual_projection.weight} (projection, width), {@code
 * logit_scale} () and {@code text_embeds} (classes, projection). They have no Fisher, wherever they
 * come from: all from the head, or, in a whole {@code CLIPModel}, the first two from the
 * checkpoint.
 *
 * <p>Input: {@code pixel_values} (channels, image_size, image_size), normalised.
 */
final class ClipVision implements Network {
  private static final String TEXT_EMBEDS = "text_embeds";

  private final PatchEmbedding embedding;
  private final LayerNorm preNorm;
  private final List<TransformerBlock> blocks;
  private final LayerNorm postNorm;
  private final Linear projection;
  private final float logitFactor;
  private final NDArray textDirections;

  private ClipVision(ModelConfig whole, Parameters parameters) {
    ModelConfig config = vision(whole);
    int width = config.positive("hidden_size", 768);
    int heads = config.positive("num_attention_heads", 12);
    int headWidth = config.headWidth("hidden_size", width, "num_attention_heads", heads);
    int inner = config.positive("intermediate_size", 3072);
    float epsilon = (float) config.number("layer_norm_eps", 1e-5);
    Activation activation =
        Activation.named(config.origin(), "hidden_act", config.text("hidden_act", "quick_gelu"));
    PatchEmbedding.Size size = size(config);

    parameters.findPrefix("vision_model.embeddings.class_embedding", "embeddings.class_embedding");
    String prefix = parameters.has("embeddings.class_embedding") ? "" : "vision_model.";
    String embeddings = prefix + "embeddings.";
    embedding =
        new PatchEmbedding(
            size,
            parameters.take(embeddings + "class_embedding", width),
            new Linear(
                parameters.take(
                    embeddings + "patch_embedding.weight",
                    width,
                    size.channels(),
                    size.patch(),
                    size.patch()),
                Optional.empty(),
                Linear.Layout.OUT_IN),
            parameters.take(embeddings + "position_embedding.weight", size.rows(), width));
    // The misspelling is Hugging Face's.
    preNorm = LayerNorm.of(parameters, prefix + "pre_layrnorm", width, epsilon);
    blocks = new ArrayList<>();
    for (int i = 0; i < config.positive("num_hidden_layers", 12); i++) {
      String block = prefix + "encoder.layers." + i + ".";
      blocks.add(
          TransformerBlock.normFirst(
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + "layer_norm1", width, epsilon),
                  new AttentionLayer(
                      List.of(
                          Linear.of(parameters, block + "self_attn.q_proj", width, width, true),
                          Linear.of(parameters, block + "self_attn.k_proj", width, width, true),
                          Linear.of(parameters, block + "self_attn.v_proj", width, width, true)),
                      new Attention(heads, 1 / Math.sqrt(headWidth)),
                      Linear.of(parameters, block + "self_attn.out_proj", width, width, true))),
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + "layer_norm2", width, epsilon),
                  new Mlp(
                      null,
                      Linear.of(parameters, block + "mlp.fc1", width, inner, true),
                      activation,
                      Linear.of(parameters, block + "mlp.fc2", inner, width, true)))));
    }
    postNorm = LayerNorm.of(parameters, prefix + "post_layernorm", width, epsilon);

    TensorInfo text =
        parameters
            .headTensor(TEXT_EMBEDS)
            .filter(tensor -> tensor.shape().size() == 2)
            .orElseThrow(
                () ->
                    new InvalidInput(
                        ("%s: a CLIP vision tower needs a head: a safetensors file with text_embeds"
                                + " (classes, projection), visual_projection.weight (projection,"
                                + " hidden_size) and logit_scale")
                            .formatted(parameters.origin())));
    long classes = text.shape().get(0);
    config.requireClasses(classes, TEXT_EMBEDS + " of " + parameters.origin());
    long projected = text.shape().get(1);
    projection =
        new Linear(
            parameters.takeFrozen("visual_projection.weight", projected, width),
            Optional.empty(),
            Linear.Layout.OUT_IN);
    logitFactor = (float) Math.exp(parameters.takeFrozen("logit_scale").value().getFloat());
    NDArray embeddedText = parameters.takeFrozen(TEXT_EMBEDS, classes, projected).value();
    textDirections =
        Scratch.scoped(
            () -> embeddedText.div(embeddedText.square().sum(new int[] {1}, true).sqrt()));
    parameters.ignore(
        name ->
            name.endsWith("embeddings.position_ids")
                || name.startsWith("text_model.")
                || name.equals("text_projection.weight"));
  }

  private static ModelConfig vision(ModelConfig whole) {
    return whole.section("vision_config").orElse(whole);
  }

  private static PatchEmbedding.Size size(ModelConfig config) {
    return PatchEmbedding.Size.of(config, 32);
  }

  /** The architecture for {@code model_type} "clip_vision_model" and, as a whole, "clip". */
  static Architecture architecture() {
    return new Architecture(
        Set.of("clip_vision_model", "clip"),
        ClipVision::new,
        whole -> size(vision(whole))::pixels,
        Optional.of(TEXT_EMBEDS));
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
    return new ClipPass(scope, batch, true);
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    return new ClipPass(scope, batch, false).logits();
  }

  private final class ClipPass implements Pass {
    private final int batch;
    private final PatchEmbedding.Pass embedded;
    private final Layer.Pass preNormed;
    private final BlockPasses passes;
    private final Layer.Pass postNormed;
    private final NDArray length;
    private final NDArray direction;
    private final NDArray logits;

    /**
     * Runs the images.
     *
     * @param readOutOnly whether the last block computes only the row that the logits need; {@link
     *     #backward} requires this
     */
    ClipPass(NDManager scope, List<Example> examples, boolean readOutOnly) {
      batch = examples.size();
      embedded = embedding.forward(scope, examples);
      preNormed = preNorm.forward(embedded.output());
      NDArray select = embedded.selectClass();
      Attending all = Attending.masked(null);
      passes = BlockPasses.run(blocks, preNormed.output(), all, readOutOnly ? select : null);
      NDArray x = passes.output();
      postNormed = postNorm.forward(readOutOnly ? x : select.matMul(x));
      NDArray projected = projection.forward(postNormed.output());
      length = projected.square().sum(new int[] {2}, true).sqrt();
      direction = projected.div(length);
      logits =
          Scratch.scoped(
              () ->
                  Scratch.times(direction.matMul(textDirections.transpose()), logitFactor)
                      .reshape(batch, -1));
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
      NDArray gradient = Scratch.scoped(() -> headBackward(d, backward));
      try (NDArray normed = passes.backward(gradient, backward)) {
        Scratch.run(() -> embedded.backward(preNormed.backward(normed, backward), backward));
      }
    }

    /** The gradient of u/|u| is (g − û(û·g))/|u|. */
    private NDArray headBackward(NDArray d, Backward backward) {
      NDArray alongText = d.mul(logitFactor).matMul(textDirections);
      NDArray unit = backward.byDirection(direction);
      NDArray radial = unit.mul(alongText.mul(unit).sum(new int[] {2}, true));
      NDArray projected = alongText.sub(radial).div(backward.byDirection(length));
      return postNormed.backward(projection.inputGradient(projected), backward);
    }
  }
}
