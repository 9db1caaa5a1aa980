package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
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
  private final int channels;
  private final int imageSize;
  private final int patchSize;
  private final int side;
  private final LoadedParameter classEmbedding;
  private final Linear patchEmbedding;
  private final LoadedParameter positionEmbedding;
  private final LayerNorm preNorm;
  private final List<TransformerBlock> blocks;
  private final LayerNorm postNorm;
  private final Linear projection;
  private final float logitFactor;
  private final NDArray textDirections;

  private ClipVision(ModelConfig whole, Parameters parameters) {
    ModelConfig config = whole.section("vision_config").orElse(whole);
    int width = config.positive("hidden_size", 768);
    int heads = config.positive("num_attention_heads", 12);
    int headWidth = config.headWidth("hidden_size", width, "num_attention_heads", heads);
    int inner = config.positive("intermediate_size", 3072);
    float epsilon = (float) config.number("layer_norm_eps", 1e-5);
    Activation activation =
        Activation.named(config.origin(), "hidden_act", config.text("hidden_act", "quick_gelu"));
    channels = config.positive("num_channels", 3);
    imageSize = config.positive("image_size", 224);
    patchSize = config.positive("patch_size", 32);
    side = imageSize / patchSize;
    if (side == 0) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: patch_size %d is larger than image_size %d",
              config.origin(),
              patchSize,
              imageSize));
    }

    parameters.findPrefix("vision_model.embeddings.class_embedding", "embeddings.class_embedding");
    String prefix = parameters.has("embeddings.class_embedding") ? "" : "vision_model.";
    String embeddings = prefix + "embeddings.";
    classEmbedding = parameters.take(embeddings + "class_embedding", width);
    patchEmbedding =
        new Linear(
            parameters.take(
                embeddings + "patch_embedding.weight", width, channels, patchSize, patchSize),
            Optional.empty(),
            Linear.Layout.OUT_IN);
    positionEmbedding =
        parameters.take(embeddings + "position_embedding.weight", (long) side * side + 1, width);
    // The misspelling is Hugging Face's.
    preNorm = LayerNorm.of(parameters, prefix + "pre_layrnorm", width, epsilon);
    blocks = new ArrayList<>();
    for (int i = 0; i < config.positive("num_hidden_layers", 12); i++) {
      String block = prefix + "encoder.layers." + i + ".";
      blocks.add(
          new TransformerBlock(
              LayerNorm.of(parameters, block + "layer_norm1", width, epsilon),
              List.of(
                  Linear.of(
                      parameters, block + "self_attn.q_proj", width, width, Linear.Layout.OUT_IN),
                  Linear.of(
                      parameters, block + "self_attn.k_proj", width, width, Linear.Layout.OUT_IN),
                  Linear.of(
                      parameters, block + "self_attn.v_proj", width, width, Linear.Layout.OUT_IN)),
              new Attention(heads, 1 / Math.sqrt(headWidth)),
              Linear.of(
                  parameters, block + "self_attn.out_proj", width, width, Linear.Layout.OUT_IN),
              LayerNorm.of(parameters, block + "layer_norm2", width, epsilon),
              Linear.of(parameters, block + "mlp.fc1", width, inner, Linear.Layout.OUT_IN),
              activation,
              Linear.of(parameters, block + "mlp.fc2", inner, width, Linear.Layout.OUT_IN)));
    }
    postNorm = LayerNorm.of(parameters, prefix + "post_layernorm", width, epsilon);

    TensorInfo text =
        parameters
            .headTensor("text_embeds")
            .filter(tensor -> tensor.shape().size() == 2)
            .orElseThrow(
                () ->
                    new InvalidInput(
                        ("%s: a CLIP vision tower needs a head: a safetensors file with text_embeds"
                                + " (classes, projection), visual_projection.weight (projection,"
                                + " hidden_size) and logit_scale")
                            .formatted(parameters.origin())));
    long classes = text.shape().get(0);
    config.requireClasses(classes, "text_embeds of " + parameters.origin());
    long projected = text.shape().get(1);
    projection =
        new Linear(
            parameters.takeFrozen("visual_projection.weight", projected, width),
            Optional.empty(),
            Linear.Layout.OUT_IN);
    logitFactor = (float) Math.exp(parameters.takeFrozen("logit_scale").value().getFloat());
    NDArray embeddedText = parameters.takeFrozen("text_embeds", classes, projected).value();
    textDirections =
        Scratch.scoped(
            () -> embeddedText.div(embeddedText.square().sum(new int[] {1}, true).sqrt()));
    parameters.ignore(
        name ->
            name.endsWith("embeddings.position_ids")
                || name.startsWith("text_model.")
                || name.equals("text_projection.weight"));
  }

  /** The architecture for {@code model_type} "clip_vision_model" and, as a whole, "clip". */
  static Architecture architecture() {
    return new Architecture(Set.of("clip_vision_model", "clip"), ClipVision::new);
  }

  @Override
  public Set<String> embeddings() {
    // Every example touches every row of the position embedding.
    return Set.of();
  }

  @Override
  public void requireInputs(Example example) {
    pixels(example);
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    return new ClipPass(scope, pixels(scope, batch), true);
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    return new ClipPass(scope, pixels(scope, batch), false).logits();
  }

  /** (examples, channels, image size, image size). */
  private NDArray pixels(NDManager scope, List<Example> batch) {
    int size = channels * imageSize * imageSize;
    float[] pixels = new float[batch.size() * size];
    for (int i = 0; i < batch.size(); i++) {
      pixels(batch.get(i)).toFloats(pixels, i * size);
    }
    return scope.create(pixels, new Shape(batch.size(), channels, imageSize, imageSize));
  }

  private InputTensor pixels(Example example) {
    List<Long> expected = List.of((long) channels, (long) imageSize, (long) imageSize);
    InputTensor input = example.input("pixel_values");
    if (!input.shape().equals(expected) || !input.dtype().mergeable()) {
      throw example.invalid(
          "pixel_values: expected floating values of shape %s, found %s %s"
              .formatted(expected, input.dtype(), input.shape()));
    }
    return input;
  }

  private final class ClipPass implements Pass {
    private final int batch;
    private final NDArray patches;
    private final LayerNorm.Pass preNormed;
    private final List<TransformerBlock.Pass> passes = new ArrayList<>();
    private final LayerNorm.Pass postNormed;
    private final NDArray length;
    private final NDArray direction;
    private final NDArray logits;

    /**
     * Runs the images.
     *
     * @param readOutOnly whether the last block computes only the row that the logits need; {@link
     *     #backward} requires this
     */
    ClipPass(NDManager scope, NDArray pixels, boolean readOutOnly) {
      batch = Math.toIntExact(pixels.getShape().get(0));
      patches = Scratch.scoped(() -> unfold(pixels));
      NDArray embedded =
          Scratch.scoped(
              () -> {
                // Created from the scope: a result belongs to its first operand's manager.
                NDArray first =
                    scope
                        .ones(new Shape(batch, 1, 1))
                        .mul(classEmbedding.value().reshape(1, 1, -1));
                NDList rows = new NDList(first, patchEmbedding.forward(patches));
                return NDArrays.concat(rows, 1).add(positionEmbedding.value());
              });
      preNormed = preNorm.forward(embedded);
      NDArray x = preNormed.output();
      float[] first = new float[side * side + 1];
      first[0] = 1;
      NDArray select = scope.create(first, new Shape(1, 1, first.length)).repeat(0, batch);
      for (int i = 0; i < blocks.size(); i++) {
        TransformerBlock.Pass pass =
            blocks.get(i).forward(x, null, readOutOnly && i == blocks.size() - 1 ? select : null);
        passes.add(pass);
        x = pass.output();
      }
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

    /** Non-overlapping patches, each flattened as a convolution's kernel is. */
    private NDArray unfold(NDArray pixels) {
      int covered = side * patchSize;
      return pixels
          .get(new NDIndex().addAllDim(2).addSliceDim(0, covered).addSliceDim(0, covered))
          .reshape(batch, channels, side, patchSize, side, patchSize)
          .transpose(0, 2, 4, 1, 3, 5)
          .reshape(batch, (long) side * side, (long) channels * patchSize * patchSize);
    }

    @Override
    public NDArray logits() {
      return logits;
    }

    @Override
    public Backward.RowRanges ranges() {
      int[] to = new int[batch];
      Arrays.fill(to, side * side + 1);
      return new Backward.RowRanges(new int[batch], to);
    }

    @Override
    public void backward(NDArray d, Backward backward) {
      NDArray gradient = Scratch.scoped(() -> headBackward(d, backward));
      for (int i = passes.size() - 1; i >= 0; i--) {
        try (NDArray output = gradient) {
          gradient = passes.get(i).backward(output, backward);
        }
      }
      try (NDArray normed = gradient) {
        Scratch.run(() -> embeddingsBackward(normed, backward));
      }
    }

    private void embeddingsBackward(NDArray d, Backward backward) {
      NDArray embedded = preNormed.backward(d, backward);
      backward.addSquares(positionEmbedding, embedded);
      backward.addSquares(classEmbedding, embedded.get(new NDIndex().addAllDim().addIndices(0)));
      long rows = embedded.getShape().get(1);
      patchEmbedding.addSquares(
          patches, embedded.get(new NDIndex().addAllDim().addSliceDim(1, rows)), backward);
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
