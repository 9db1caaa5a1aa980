package io.fisherstreams.demo;

import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The demo's models merged by several methods, each with its default coefficients. */
public final class MethodComparison {
  /**
   * A method with its scores.
   *
   * @param name with the settings that are not its defaults
   */
  public record Result(String name, Scores scores) {}

  /** The methods by their names. */
  private static final List<Map.Entry<String, MergeFormula>> METHODS =
      List.of(
          Map.entry(
              "fisher",
              FisherAverage.of(DemoScenario.METHOD.epsilon(), DemoScenario.METHOD.normalized())),
          Map.entry(
              "fisher, relative_fisher_weight 1e-3", new FisherAverage(1, 1, Unit.MEAN, 1e-3)),
          Map.entry("gradient_matching", new GradientMatching(1, GradientMatching.DEFAULT_PRIOR)),
          Map.entry("task_arithmetic", new TaskArithmetic(TaskArithmetic.DEFAULT_SCALE)));

  private MethodComparison() {}

  /**
   * Merges and measures.
   *
   * @param models at least one
   * @param fishers of the models, by name
   */
  static List<Result> of(
      DigitParameters base,
      List<FineTunedModel> models,
      Map<String, DigitParameters> fishers,
      TestSets tests) {
    List<Result> results = new ArrayList<>();
    for (Map.Entry<String, MergeFormula> method : METHODS) {
      DigitParameters merged = merged(method.getValue(), base, models, fishers);
      results.add(new Result(method.getKey(), tests.scores(merged)));
    }
    return results;
  }

  private static DigitParameters merged(
      MergeFormula formula,
      DigitParameters base,
      List<FineTunedModel> models,
      Map<String, DigitParameters> fishers) {
    Map<String, float[]> values = new HashMap<>();
    List<MergeFormula.Factors> factors =
        models.stream()
            .map(
                model ->
                    formula.factors(
                        sums(fishers.get(model.name()), formula.defaultCoefficient(models.size()))))
            .toList();
    for (TensorInfo tensor : base.tensors()) {
      int elements = Math.toIntExact(tensor.elements());
      MergeSums sums = formula.sums(MergeKernel.java(), elements);
      sums.begin(elements, widened(base.values(tensor.name())));
      for (int i = 0; i < models.size(); i++) {
        FineTunedModel model = models.get(i);
        sums.add(
            new MergeSums.Term(
                tensor.dtype(),
                all(model.parameters(), tensor),
                all(fishers.get(model.name()), tensor),
                1,
                factors.get(i).unit(),
                factors.get(i).weight()));
      }
      double[] result = new double[elements];
      sums.finish(result);
      float[] merged = new float[elements];
      for (int j = 0; j < elements; j++) {
        merged[j] = (float) result[j];
      }
      values.put(tensor.name(), merged);
    }
    return new DigitParameters(base.tensors(), values);
  }

  private static ByteBuffer all(DigitParameters parameters, TensorInfo tensor) {
    return parameters.slice(tensor.name(), 0, Math.toIntExact(tensor.elements()));
  }

  private static double[] widened(float[] values) {
    double[] wide = new double[values.length];
    for (int j = 0; j < values.length; j++) {
      wide[j] = values[j];
    }
    return wide;
  }

  private static MergeFormula.Model sums(DigitParameters fisher, double coefficient) {
    double total = 0;
    double squares = 0;
    for (TensorInfo tensor : fisher.tensors()) {
      for (float entry : fisher.values(tensor.name())) {
        total += entry;
        squares += (double) entry * entry;
      }
    }
    return new MergeFormula.Model(coefficient, total, Math.sqrt(squares), fisher.elements());
  }
}
