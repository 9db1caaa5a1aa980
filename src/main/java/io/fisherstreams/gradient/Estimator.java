package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.model.Cotangents;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import io.fisherstreams.gradient.model.ProbabilityFactor;
import io.fisherstreams.gradient.model.SeededDraws;
import io.fisherstreams.gradient.model.TokenLabels;
import io.fisherstreams.record.EstimatorName;
import io.fisherstreams.record.ManifestRules;
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
    return named(name, samples, seed, Exact.MAX_VOCABULARY);
  }

  /**
   * The estimator of a name.
   *
   * @param samples number of draws for each example; only the estimator of that name draws
   * @param seed of the draws
   * @param maxVocabulary the exact estimator rejects a language model with more tokens
   * @throws InvalidInput for an unknown name, or no samples
   */
  static Estimator named(String name, int samples, long seed, int maxVocabulary) {
    return switch (EstimatorName.of(name)) {
      case EXACT -> new Exact(maxVocabulary);
      case SAMPLED -> new Sampled(samples, seed);
      case EMPIRICAL -> new Empirical();
      case FUSION_BENCH -> new FusionBench();
    };
  }

  /**
   * The estimator when none is named: a language model's exact Fisher would take a backward pass
   * for each target and token of the vocabulary.
   */
  static EstimatorName byDefault(boolean languageModel) {
    return languageModel ? EstimatorName.SAMPLED : EstimatorName.EXACT;
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

  /**
   * Along which next tokens a language model is differentiated.
   *
   * @throws InvalidInput when the estimator is defined for classes only
   */
  TokenLabels tokens();

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
   * <p>{@link ProbabilityFactor} has fewer directions than classes that give the same sum.
   *
   * <p>For a language model it is the expectation over next tokens, each drawn with the example's
   * own tokens before it.
   *
   * @param maxVocabulary a language model with more tokens is rejected
   */
  record Exact(int maxVocabulary) implements Estimator {
    /** The vocabulary that is accepted when nothing else is said. */
    public static final int MAX_VOCABULARY = ManifestRules.DEFAULT_EXACT_VOCABULARY;

    /** With the default limit of the vocabulary. */
    public Exact() {
      this(MAX_VOCABULARY);
    }

    @Override
    public String name() {
      return EstimatorName.EXACT.text();
    }

    @Override
    public Cotangents directions(Predictions predictions) {
      Collector collector = new Collector();
      for (int i = 0; i < predictions.size(); i++) {
        for (float[] column : ProbabilityFactor.of(predictions.probabilities(i))) {
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

    @Override
    public TokenLabels tokens() {
      return new TokenLabels.Every(maxVocabulary);
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
      return new SeededDraws(seed).uniform(example, draw);
    }

    @Override
    public TokenLabels tokens() {
      return new TokenLabels.Drawn(samples, seed);
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

    @Override
    public TokenLabels tokens() {
      return new TokenLabels.Own();
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

    @Override
    public TokenLabels tokens() {
      throw new InvalidInput(
          "the estimator fusion_bench is defined for classes, but the model predicts tokens; use"
              + " sampled or empirical");
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
      add(example, value);
    }

    private void add(int example, float[] value) {
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
