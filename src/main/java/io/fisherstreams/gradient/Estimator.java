package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.model.Cotangents;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import io.fisherstreams.record.EstimatorName;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;

/**
 * How the diagonal Fisher E_x E_{y~p(y|x)} (∂ log p(y|x) / ∂θ)² is estimated from examples.
 *
 * <p>An estimator chooses the directions of the logits z along which gradients are squared. Since
 * log p = log softmax(z), ∂ log p_c / ∂z = e_c − p, with e_c the unit vector of class c.
 */
public sealed interface Estimator {

  /**
   * The estimator of a name.
   *
   * @param samples number of draws for each example; only the estimator of that name draws
   * @param seed of the draws
   * @throws InvalidInput for an unknown name, or no samples
   */
  static Estimator named(String name, int samples, long seed) {
    return switch (EstimatorName.of(name)) {
      case EXACT -> new Exact();
      case SAMPLED -> new Sampled(samples, seed);
      case EMPIRICAL -> new Empirical();
      case FUSION_BENCH -> new FusionBench();
    };
  }

  /** Its name in {@code merge.yaml}, on the command line and in manifests. */
  String name();

  /** The directions whose squared gradients a batch adds to the sum over examples. */
  Cotangents directions(Predictions predictions);

  /**
   * As {@link #directions(Predictions)}, for a model that predicts a value: log p = −½ (y − f)².
   *
   * @throws InvalidInput when the estimator is defined for classes only
   */
  Cotangents directions(Values values);

  /** Whether the result depends on how examples are batched. */
  default boolean dependsOnBatches() {
    return false;
  }

  /** The settings other than the name on which the result depends, for provenance. */
  default Map<String, String> settings() {
    return Map.of();
  }

  /**
   * The expectation over all classes, Σ_c p_c (∂ log p_c)².
   *
   * <p>Σ_c p_c (e_c − p)(e_c − p)ᵀ = diag(p) − p·pᵀ has rank C − 1, so C − 1 directions give the
   * same sum as C classes: the columns of its Cholesky factor, here in closed form with the classes
   * ordered by falling probability and r_k = Σ_{j≥k} p_j: L_kk = √(p_k r_{k+1} / r_k), L_jk = −p_j
   * √(p_k / (r_k r_{k+1})) for j > k. Two classes cost one backward pass.
   *
   * <p>Directions that together make up less than 2⁻²⁴ of an example's Σ|L_·k|² are skipped: that
   * is the rounding unit of the float32 sums. A confident model over hundreds of classes then needs
   * only a few directions.
   */
  record Exact() implements Estimator {
    private static final double NEGLIGIBLE = 0x1p-24;

    @Override
    public String name() {
      return EstimatorName.EXACT.text();
    }

    @Override
    public Cotangents directions(Predictions predictions) {
      Collector collector = new Collector();
      for (int i = 0; i < predictions.size(); i++) {
        List<double[]> columns = factor(predictions.probabilities(i));
        double[] size = columns.stream().mapToDouble(Exact::squaredLength).toArray();
        double negligible = NEGLIGIBLE * Arrays.stream(size).sum();
        double dropped = 0;
        int kept = columns.size();
        while (kept > 0 && dropped + size[kept - 1] < negligible) {
          dropped += size[--kept];
        }
        for (double[] column : columns.subList(0, kept)) {
          collector.add(i, column);
        }
      }
      return collector.cotangents(Squaring.EACH);
    }

    /** E (y − f)² is 1. */
    @Override
    public Cotangents directions(Values values) {
      return alongOutputs(values, example -> 1);
    }

    /** Columns of L with L·Lᵀ = diag(p) − p·pᵀ. */
    static List<double[]> factor(double[] p) {
      int classes = p.length;
      Integer[] order = new Integer[classes];
      Arrays.setAll(order, c -> c);
      Arrays.sort(order, (a, b) -> Double.compare(p[b], p[a]));
      double[] rest = new double[classes + 1];
      for (int k = classes - 1; k >= 0; k--) {
        rest[k] = rest[k + 1] + p[order[k]];
      }
      List<double[]> columns = new ArrayList<>();
      for (int k = 0; k < classes - 1 && rest[k + 1] > 0; k++) {
        double[] column = new double[classes];
        double diagonal = Math.sqrt(p[order[k]] * (rest[k + 1] / rest[k]));
        column[order[k]] = diagonal;
        for (int j = k + 1; j < classes; j++) {
          column[order[j]] = -p[order[j]] / rest[k + 1] * diagonal;
        }
        columns.add(column);
      }
      return columns;
    }

    private static double squaredLength(double[] vector) {
      double sum = 0;
      for (double v : vector) {
        sum += v * v;
      }
      return sum;
    }
  }

  /**
   * The mean over classes drawn from p, (1/k) Σ (∂ log p_ŷ)². A draw depends on seed, the example's
   * index and the draw's number alone. Equal draws for one example become one direction.
   *
   * @param samples k, the number of draws for each example
   * @param seed of the draws
   */
  record Sampled(int samples, long seed) implements Estimator {
    // SplitMix64 (Steele, Lea and Flood 2014): increment and finaliser.
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    /** Rejects fewer than one sample. */
    public Sampled {
      if (samples < 1) {
        throw new InvalidInput("estimator sampled: samples must be at least 1, found " + samples);
      }
    }

    @Override
    public String name() {
      return EstimatorName.SAMPLED.text();
    }

    @Override
    public Map<String, String> settings() {
      return Map.of("samples", Integer.toString(samples), "seed", Long.toString(seed));
    }

    @Override
    public Cotangents directions(Predictions predictions) {
      Collector collector = new Collector();
      for (int i = 0; i < predictions.size(); i++) {
        double[] p = predictions.probabilities(i);
        TreeMap<Integer, Integer> draws = new TreeMap<>();
        for (int draw = 0; draw < samples; draw++) {
          int drawn = draw(p, uniform(predictions.examples().get(i).index(), draw));
          draws.merge(drawn, 1, Integer::sum);
        }
        for (Map.Entry<Integer, Integer> drawn : draws.entrySet()) {
          double weight = Math.sqrt((double) drawn.getValue() / samples);
          collector.add(i, score(p, drawn.getKey(), weight));
        }
      }
      return collector.cotangents(Squaring.EACH);
    }

    /** The values are drawn from the normal distribution around f. */
    @Override
    public Cotangents directions(Values values) {
      return alongOutputs(
          values,
          example -> {
            double squares = 0;
            for (int draw = 0; draw < samples; draw++) {
              double normal = normal(values.examples().get(example).index(), draw);
              squares += normal * normal;
            }
            return Math.sqrt(squares / samples);
          });
    }

    /** Box and Muller's method. */
    private double normal(long example, int draw) {
      double radius = Math.sqrt(-2 * Math.log1p(-uniform(example, 2 * draw)));
      return radius * Math.cos(2 * Math.PI * uniform(example, 2 * draw + 1));
    }

    private double uniform(long example, int draw) {
      long state = mix(mix(mix(seed) + example) + draw);
      return (state >>> 11) * 0x1p-53;
    }

    private static long mix(long value) {
      long z = value + GOLDEN;
      z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
      z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
      return z ^ (z >>> 31);
    }

    private static int draw(double[] p, double uniform) {
      double below = 0;
      int last = 0;
      for (int c = 0; c < p.length; c++) {
        if (p[c] > 0) {
          below += p[c];
          last = c;
          if (uniform < below) {
            return c;
          }
        }
      }
      return last;
    }
  }

  /** The example's own label, (∂ log p_y)². */
  record Empirical() implements Estimator {
    @Override
    public String name() {
      return EstimatorName.EMPIRICAL.text();
    }

    @Override
    public Cotangents directions(Predictions predictions) {
      Collector collector = new Collector();
      for (int i = 0; i < predictions.size(); i++) {
        collector.add(i, score(predictions.probabilities(i), predictions.labels()[i], 1));
      }
      return collector.cotangents(Squaring.EACH);
    }

    @Override
    public Cotangents directions(Values values) {
      return alongOutputs(values, values::residual);
    }
  }

  /**
   * The result of the tool FusionBench, (∇ Σ_{i in batch} Σ_c √p_ic · log p_ic)² with √p as a
   * constant, for users who must reproduce its numbers. It is not the Fisher, and it depends on the
   * batch size. The logits' direction is √p − p · Σ_c √p_c.
   */
  record FusionBench() implements Estimator {
    @Override
    public String name() {
      return EstimatorName.FUSION_BENCH.text();
    }

    @Override
    public boolean dependsOnBatches() {
      return true;
    }

    @Override
    public Cotangents directions(Predictions predictions) {
      Collector collector = new Collector();
      for (int i = 0; i < predictions.size(); i++) {
        double[] p = predictions.probabilities(i);
        double roots = Arrays.stream(p).map(Math::sqrt).sum();
        collector.add(i, Arrays.stream(p).map(v -> Math.sqrt(v) - v * roots).toArray());
      }
      return collector.cotangents(Squaring.TOTAL);
    }

    @Override
    public Cotangents directions(Values values) {
      throw new InvalidInput(
          "the estimator fusion_bench is defined for classes, but the model predicts a value; use"
              + " exact, sampled or empirical");
    }
  }

  /** One direction for each example, along its only output. */
  private static Cotangents alongOutputs(Values values, IntToDoubleFunction size) {
    Collector collector = new Collector();
    for (int i = 0; i < values.size(); i++) {
      collector.add(i, new double[] {size.applyAsDouble(i)});
    }
    return collector.cotangents(Squaring.EACH);
  }

  /** weight · (e_c − p), the diagonal entry without cancellation for p_c near 1. */
  private static double[] score(double[] p, int label, double weight) {
    double[] direction = new double[p.length];
    double others = 0;
    for (int c = 0; c < p.length; c++) {
      if (c != label) {
        direction[c] = -weight * p[c];
        others += p[c];
      }
    }
    direction[label] = weight * others;
    return direction;
  }

  /** Gathers directions as float32. */
  final class Collector {
    private final List<Integer> examples = new ArrayList<>();
    private final List<float[]> values = new ArrayList<>();

    private Collector() {}

    private void add(int example, double[] direction) {
      float[] value = new float[direction.length];
      for (int c = 0; c < value.length; c++) {
        value[c] = (float) direction[c];
      }
      examples.add(example);
      values.add(value);
    }

    private Cotangents cotangents(Squaring squaring) {
      return new Cotangents(
          examples.stream().mapToInt(Integer::intValue).toArray(),
          values.toArray(new float[0][]),
          squaring);
    }
  }
}
