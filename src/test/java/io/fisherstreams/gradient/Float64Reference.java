package io.fisherstreams.gradient;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.fisherstreams.gradient.example.Example;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * Fishers by their definitions: one example and one class at a time, float64, automatic
 * differentiation, forward passes that share nothing with the program's.
 */
final class Float64Reference implements AutoCloseable {
  private final NDManager manager = NDManager.newBaseManager("PyTorch");
  private final RandomModel model;
  private final Map<String, NDArray> parameters = new HashMap<>();
  private final BiFunction<NDManager, Example, NDArray> logits;
  private final IdentityHashMap<Example, List<Map<String, double[]>>> gradients =
      new IdentityHashMap<>();

  private Float64Reference(
      RandomModel model, Function<Float64Reference, BiFunction<NDManager, Example, NDArray>> net) {
    this.model = model;
    model.checkpoint.forEach((name, values) -> load(name, values).setRequiresGradient(true));
    model.head.forEach(this::load);
    this.logits = net.apply(this);
  }

  private NDArray load(String name, float[] values) {
    double[] wide = new double[values.length];
    for (int i = 0; i < wide.length; i++) {
      wide[i] = values[i];
    }
    long[] shape = model.infos.get(name).shape().stream().mapToLong(Long::longValue).toArray();
    NDArray array = manager.create(wide, new Shape(shape));
    parameters.put(name, array);
    return array;
  }

  /** Σ_c p_c (∂ log p_c)², averaged over the examples. */
  Map<String, double[]> exact() {
    Map<String, double[]> fisher = zeros();
    for (Example example : model.examples) {
      double[] p = probabilities(example);
      for (int c = 0; c < p.length; c++) {
        addSquares(fisher, logProbabilityGradient(example, c), p[c]);
      }
    }
    return fisher;
  }

  /** (∂ log p_label)², averaged over the examples. */
  Map<String, double[]> empirical() {
    Map<String, double[]> fisher = zeros();
    for (Example example : model.examples) {
      addSquares(fisher, logProbabilityGradient(example, (int) example.label()), 1);
    }
    return fisher;
  }

  /** Per batch (Σ_i Σ_c √p_ic ∂ log p_ic)², summed over batches, by the number of examples. */
  Map<String, double[]> fusionBench(int batchSize) {
    Map<String, double[]> fisher = zeros();
    for (int from = 0; from < model.examples.size(); from += batchSize) {
      Map<String, double[]> total = zeros();
      int to = Math.min(model.examples.size(), from + batchSize);
      for (Example example : model.examples.subList(from, to)) {
        double[] p = probabilities(example);
        for (int c = 0; c < p.length; c++) {
          double root = Math.sqrt(p[c]);
          logProbabilityGradient(example, c)
              .forEach(
                  (name, g) -> {
                    for (int i = 0; i < g.length; i++) {
                      total.get(name)[i] += root * g[i];
                    }
                  });
        }
      }
      addSquares(fisher, total, 1);
    }
    return fisher;
  }

  double[] probabilities(Example example) {
    try (NDManager scope = manager.newSubManager()) {
      return logits.apply(scope, example).softmax(0).toDoubleArray();
    }
  }

  private Map<String, double[]> logProbabilityGradient(Example example, int label) {
    return gradients.computeIfAbsent(example, this::differentiate).get(label);
  }

  /** ∂ log p_c by class c and parameter. */
  private List<Map<String, double[]>> differentiate(Example example) {
    List<Map<String, double[]>> byClass = new ArrayList<>();
    JniUtils.setGradMode(true);
    try (NDManager scope = manager.newSubManager()) {
      NDArray logProbabilities = logits.apply(scope, example).logSoftmax(0);
      PtNDArray one = (PtNDArray) scope.create(1.0);
      long classes = logProbabilities.size();
      for (int c = 0; c < classes; c++) {
        PtNDArray target = (PtNDArray) logProbabilities.get(c);
        JniUtils.backward(target, one, c < classes - 1, false);
        byClass.add(takeGradients());
      }
    } finally {
      JniUtils.setGradMode(false);
    }
    return byClass;
  }

  private Map<String, double[]> takeGradients() {
    Map<String, double[]> taken = new TreeMap<>();
    for (String name : model.checkpoint.keySet()) {
      PtNDArray parameter = (PtNDArray) parameters.get(name);
      try (NDArray gradient = parameter.getGradient()) {
        taken.put(name, gradient.toType(DataType.FLOAT64, false).toDoubleArray());
      }
      JniUtils.zeroGrad(parameter);
    }
    return taken;
  }

  private Map<String, double[]> zeros() {
    Map<String, double[]> zeros = new TreeMap<>();
    model.checkpoint.forEach((name, values) -> zeros.put(name, new double[values.length]));
    return zeros;
  }

  private void addSquares(
      Map<String, double[]> fisher, Map<String, double[]> gradients, double weight) {
    double mean = weight / model.examples.size();
    gradients.forEach(
        (name, g) -> {
          double[] sum = fisher.get(name);
          for (int i = 0; i < g.length; i++) {
            sum[i] += mean * g[i] * g[i];
          }
        });
  }

  @Override
  public void close() {
    manager.close();
  }

  private NDArray get(String name) {
    return parameters.get(name);
  }

  private NDArray norm(NDArray x, String name, double epsilon) {
    NDArray centred = x.sub(x.mean(new int[] {1}, true));
    NDArray variance = centred.mul(centred).mean(new int[] {1}, true);
    return centred
        .div(variance.add(epsilon).sqrt())
        .mul(get(name + ".weight"))
        .add(get(name + ".bias"));
  }

  static NDArray activation(String name, NDArray x) {
    return switch (name) {
      case "gelu" -> times(x.mul(times(x, Math.sqrt(0.5)).erf().add(1)), 0.5);
      case "gelu_new" ->
          times(
              x.mul(
                  times(x.add(times(x.mul(x).mul(x), 0.044715)), Math.sqrt(2 / Math.PI))
                      .tanh()
                      .add(1)),
              0.5);
      case "quick_gelu" -> x.div(times(x, -1.702).exp().add(1));
      case "silu" -> x.div(x.neg().exp().add(1));
      case "relu" -> x.maximum(x.zerosLike());
      case "tanh" -> x.tanh();
      default -> throw new IllegalArgumentException(name);
    };
  }

  /**
   * x·factor. The factor stays with its manager: differentiation reads it after {@code mul(Number)}
   * would have let go of it.
   */
  private static NDArray times(NDArray x, double factor) {
    return x.mul(x.getManager().create(factor));
  }

  /** Attention of one example, head by head; mask (rows, rows) is added to the scores. */
  private static NDArray attention(
      NDArray q, NDArray k, NDArray v, int heads, double scale, NDArray mask) {
    long width = q.getShape().get(1) / heads;
    NDList outputs = new NDList();
    for (int h = 0; h < heads; h++) {
      NDIndex head = new NDIndex().addAllDim().addSliceDim(h * width, (h + 1) * width);
      NDArray scores = times(q.get(head).matMul(k.get(head).transpose()), scale);
      outputs.add((mask == null ? scores : scores.add(mask)).softmax(1).matMul(v.get(head)));
    }
    // DJL's concat of a single array cuts the graph.
    return heads == 1 ? outputs.get(0) : NDArrays.concat(outputs, 1);
  }

  /**
   * GPT-2 over the positions whose mask is 1 alone: the others are never attended to and never
   * read.
   */
  static Float64Reference gpt2(
      RandomModel model,
      int layers,
      int heads,
      String prefix,
      String act,
      double epsilon,
      boolean scaled,
      boolean byLayer) {
    return new Float64Reference(
        model,
        self ->
            (scope, example) -> {
              long[] ids = example.input("input_ids").toLongs();
              long[] mask = example.input("attention_mask").toLongs();
              NDList rows = new NDList();
              for (int t = 0; t < ids.length; t++) {
                if (mask[t] == 1) {
                  rows.add(
                      self.get(prefix + "wte.weight")
                          .get(ids[t])
                          .add(self.get(prefix + "wpe.weight").get(t)));
                }
              }
              NDArray x = NDArrays.stack(rows);
              int length = rows.size();
              double[][] causal = new double[length][length];
              for (int i = 0; i < length; i++) {
                for (int j = i + 1; j < length; j++) {
                  causal[i][j] = -1e300;
                }
              }
              NDArray causalMask = scope.create(causal);
              for (int i = 0; i < layers; i++) {
                String b = prefix + "h." + i + ".";
                NDArray qkv =
                    self.norm(x, b + "ln_1", epsilon)
                        .matMul(self.get(b + "attn.c_attn.weight"))
                        .add(self.get(b + "attn.c_attn.bias"));
                NDList split = qkv.split(3, 1);
                double headWidth = (double) split.get(0).getShape().get(1) / heads;
                double scale =
                    (scaled ? 1 / Math.sqrt(headWidth) : 1) * (byLayer ? 1.0 / (i + 1) : 1);
                NDArray attended =
                    attention(split.get(0), split.get(1), split.get(2), heads, scale, causalMask);
                x =
                    x.add(
                        attended
                            .matMul(self.get(b + "attn.c_proj.weight"))
                            .add(self.get(b + "attn.c_proj.bias")));
                NDArray inner =
                    self.norm(x, b + "ln_2", epsilon)
                        .matMul(self.get(b + "mlp.c_fc.weight"))
                        .add(self.get(b + "mlp.c_fc.bias"));
                x =
                    x.add(
                        activation(act, inner)
                            .matMul(self.get(b + "mlp.c_proj.weight"))
                            .add(self.get(b + "mlp.c_proj.bias")));
              }
              NDArray last = self.norm(x, prefix + "ln_f", epsilon).get(length - 1);
              return self.get("score.weight").matMul(last);
            });
  }

  /** CLIP's vision tower; patches are cut out pixel by pixel. */
  static Float64Reference clip(
      RandomModel model,
      int layers,
      int heads,
      int channels,
      int image,
      int patch,
      String prefix,
      String act,
      double epsilon) {
    return new Float64Reference(
        model,
        self ->
            (scope, example) -> {
              float[] pixels = new float[channels * image * image];
              example.input("pixel_values").toFloats(pixels, 0);
              int side = image / patch;
              NDList rows = new NDList(self.get(prefix + "embeddings.class_embedding"));
              NDArray kernel =
                  self.get(prefix + "embeddings.patch_embedding.weight")
                      .reshape(-1, (long) channels * patch * patch);
              for (int py = 0; py < side; py++) {
                for (int px = 0; px < side; px++) {
                  double[] flat = new double[channels * patch * patch];
                  int n = 0;
                  for (int c = 0; c < channels; c++) {
                    for (int y = 0; y < patch; y++) {
                      for (int x = 0; x < patch; x++) {
                        flat[n++] = pixels[(c * image + py * patch + y) * image + px * patch + x];
                      }
                    }
                  }
                  rows.add(kernel.matMul(scope.create(flat)));
                }
              }
              NDArray x =
                  NDArrays.stack(rows)
                      .add(self.get(prefix + "embeddings.position_embedding.weight"));
              x = self.norm(x, prefix + "pre_layrnorm", epsilon);
              for (int i = 0; i < layers; i++) {
                String b = prefix + "encoder.layers." + i + ".";
                NDArray normed = self.norm(x, b + "layer_norm1", epsilon);
                NDArray q = self.linear(normed, b + "self_attn.q_proj");
                double scale = 1 / Math.sqrt((double) q.getShape().get(1) / heads);
                NDArray attended =
                    attention(
                        q,
                        self.linear(normed, b + "self_attn.k_proj"),
                        self.linear(normed, b + "self_attn.v_proj"),
                        heads,
                        scale,
                        null);
                x = x.add(self.linear(attended, b + "self_attn.out_proj"));
                NDArray inner =
                    self.linear(self.norm(x, b + "layer_norm2", epsilon), b + "mlp.fc1");
                x = x.add(self.linear(activation(act, inner), b + "mlp.fc2"));
              }
              NDArray first = self.norm(x, prefix + "post_layernorm", epsilon).get(0);
              NDArray projected = self.get("visual_projection.weight").matMul(first);
              NDArray unit = projected.div(projected.mul(projected).sum().sqrt());
              NDArray text = self.get("text_embeds");
              NDArray directions = text.div(text.mul(text).sum(new int[] {1}, true).sqrt());
              return times(directions.matMul(unit), Math.exp(1.5));
            });
  }

  private NDArray linear(NDArray x, String name) {
    return x.matMul(get(name + ".weight").transpose()).add(get(name + ".bias"));
  }

  /**
   * A plain network; convolutions by explicit loops over output pixels.
   *
   * @param convolutions how many, each with this kernel, stride and padding
   */
  static Float64Reference feedForward(
      RandomModel model,
      int channels,
      int image,
      int convolutions,
      int kernel,
      int stride,
      int padding,
      int layers,
      String act) {
    return new Float64Reference(
        model,
        self ->
            (scope, example) -> {
              float[] pixels = new float[channels * image * image];
              example.input("pixel_values").toFloats(pixels, 0);
              double[] wide = new double[pixels.length];
              for (int i = 0; i < wide.length; i++) {
                wide[i] = pixels[i];
              }
              NDArray x = scope.create(wide, new Shape(channels, image, image));
              for (int i = 0; i < convolutions; i++) {
                NDArray weight = self.get("conv." + i + ".weight");
                long side = x.getShape().get(1);
                long outputs = weight.getShape().get(0);
                long out = (side + 2L * padding - kernel) / stride + 1;
                NDList values = new NDList();
                for (long oy = 0; oy < out; oy++) {
                  for (long ox = 0; ox < out; ox++) {
                    NDArray sum = self.get("conv." + i + ".bias");
                    for (int ky = 0; ky < kernel; ky++) {
                      for (int kx = 0; kx < kernel; kx++) {
                        long y = oy * stride + ky - padding;
                        long column = ox * stride + kx - padding;
                        if (y >= 0 && y < side && column >= 0 && column < side) {
                          NDArray tap =
                              weight.get(new NDIndex().addAllDim(2).addIndices(ky).addIndices(kx));
                          NDArray pixel =
                              x.get(new NDIndex().addAllDim().addIndices(y).addIndices(column));
                          sum = sum.add(tap.matMul(pixel));
                        }
                      }
                    }
                    values.add(activation(act, sum));
                  }
                }
                x = NDArrays.stack(values, 1).reshape(outputs, out, out);
              }
              x = x.reshape(1, -1);
              for (int i = 0; i < layers; i++) {
                x = self.linear(x, "layers." + i);
                x = i < layers - 1 ? activation(act, x) : x;
              }
              return x.reshape(-1);
            });
  }
}
