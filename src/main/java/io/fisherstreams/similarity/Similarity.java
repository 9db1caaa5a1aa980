package io.fisherstreams.similarity;

import io.fisherstreams.fisher.FisherProducts;
import io.fisherstreams.fisher.GroupedModel;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * How similar the Fishers of a plan's models are, and how much each model contributes to each
 * layer.
 *
 * @param plan the plan
 * @param whole over all merged parameters
 * @param layers layer by layer, in their natural order; {@link io.fisherstreams.fisher.Layers}
 *     groups the parameters into layers
 */
public record Similarity(MergePlan plan, Part whole, List<Part> layers) {
  /**
   * The whole, or one layer.
   *
   * @param name the layer's name, {@code *} for the whole
   * @param entries number of merged entries
   * @param cosines row by row in the plan's order of models; symmetric; undefined where a Fisher is
   *     0 everywhere
   * @param shares by model: its share of the weights, 0 to 1; for the whole, the plan's share
   */
  public record Part(
      String name, long entries, List<List<OptionalDouble>> cosines, List<Double> shares) {}

  /** The name of the whole among the parts; no layer has it. */
  public static final String WHOLE = "*";

  /**
   * The similarity that the scalar products of a plan's Fishers give; models in the plan's order.
   */
  public static Similarity of(MergePlan plan, FisherProducts products) {
    List<Part> layers = new ArrayList<>();
    products
        .layers()
        .forEach((name, sums) -> layers.add(part(plan, name, sums, products.parts(name))));
    return new Similarity(
        plan, part(plan, WHOLE, products.whole(), products.parts()), List.copyOf(layers));
  }

  /** The models' names. */
  public List<String> models() {
    return plan.getModels().stream().map(PlannedModel::getModel).toList();
  }

  private static Part part(
      MergePlan plan, String name, FisherProducts.Sums sums, List<FisherProducts.Sums> inGroups) {
    List<PlannedModel> models = plan.getModels();
    MergeFormula formula = MergeMethods.formula(plan.getMethod());
    List<List<OptionalDouble>> cosines = new ArrayList<>();
    SortedMap<String, MergeFormula.Mass> masses = new TreeMap<>();
    for (int row = 0; row < models.size(); row++) {
      List<OptionalDouble> cells = new ArrayList<>();
      for (int column = 0; column < models.size(); column++) {
        cells.add(sums.cosine(row, column));
      }
      cosines.add(cells);
      // A layer has the plan's factors: a merge divides by the norm or mean of the whole Fisher.
      PlannedModel model = models.get(row);
      masses.put(model.getModel(), model(plan, row, sums, inGroups).mass(formula));
    }
    Map<String, Double> shares = Shares.of(masses);
    return new Part(
        name,
        sums.entries(),
        cosines,
        models.stream().map(model -> shares.get(model.getModel())).toList());
  }

  private static GroupedModel model(
      MergePlan plan, int row, FisherProducts.Sums sums, List<FisherProducts.Sums> inGroups) {
    PlannedModel planned = plan.getModels().get(row);
    boolean all = MergeMethods.weighsUnchanged(plan.getMethod());
    List<FisherProducts.Sums> parts =
        planned.getGroupCoefficients().isEmpty() ? List.of(sums) : inGroups;
    return new GroupedModel(
        PlannedModels.whole(planned),
        planned.getGroupCoefficients(),
        parts.stream()
            .map(
                part ->
                    new GroupedModel.Part(
                        part.total(row), all ? part.entries() : part.entries(row)))
            .toList());
  }
}
