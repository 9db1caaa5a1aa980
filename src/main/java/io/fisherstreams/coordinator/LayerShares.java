package io.fisherstreams.coordinator;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.GroupedModel;
import io.fisherstreams.fisher.Layers;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Each model's share of the weights of each layer, from the sums that the merge stage's partitions
 * have reported. It reads no tensor.
 *
 * @param plan the plan
 * @param whole over all merged parameters, with the plan's shares
 * @param layers in their natural order; {@link Layers} groups the parameters
 */
public record LayerShares(MergePlan plan, Part whole, List<Part> layers) {
  /**
   * The whole, or one layer.
   *
   * @param name the layer's name, {@code *} for the whole
   * @param entries number of merged entries
   * @param shares in the plan's order of models, 0 to 1
   */
  public record Part(String name, long entries, List<Double> shares) {}

  /**
   * The shares of a plan.
   *
   * @throws InvalidInput when the pool no longer has a version that it merged
   */
  public static LayerShares of(PoolView view, MergePlan plan) {
    PoolModel base = require(view, plan, plan.getBaseModel(), plan.getBaseVersion());
    List<PoolModel> models = new ArrayList<>();
    for (PlannedModel planned : plan.getModels()) {
      PoolModel model = require(view, plan, planned.getModel(), planned.getVersion());
      boolean readsFishers = MergeMethods.formula(plan.getMethod()).readsFishers();
      if (readsFishers ? !model.has(planned.getEpoch()) : !model.isPresent()) {
        throw PlannedModels.gone(plan, planned.getModel() + "'s epoch " + planned.getEpoch());
      }
      models.add(model);
    }
    List<String> patterns = plan.getMethod().getExcludeParamNamesRegex();
    MergeSet all = MergeSet.of(base.tensors().values(), patterns);
    SortedMap<String, List<TensorInfo>> layers = new TreeMap<>(Layers.ORDER);
    for (String name : all.names()) {
      layers
          .computeIfAbsent(Layers.of(name), layer -> new ArrayList<>())
          .add(base.tensors().get(name));
    }
    List<Part> parts = new ArrayList<>();
    layers.forEach((name, tensors) -> parts.add(part(plan, models, name, tensors)));
    long entries = parts.stream().mapToLong(Part::entries).sum();
    List<Double> whole = plan.getModels().stream().map(PlannedModel::getShare).toList();
    return new LayerShares(plan, new Part("*", entries, whole), List.copyOf(parts));
  }

  private static Part part(
      MergePlan plan, List<PoolModel> models, String name, List<TensorInfo> tensors) {
    MergeFormula formula = MergeMethods.formula(plan.getMethod());
    List<List<TensorInfo>> groups =
        MergeMethods.groups(plan.getMethod()).part(tensors, TensorInfo::name);
    long entries = tensors.stream().mapToLong(TensorInfo::elements).sum();
    SortedMap<String, MergeFormula.Mass> masses = new TreeMap<>();
    for (int i = 0; i < models.size(); i++) {
      PlannedModel planned = plan.getModels().get(i);
      PoolModel model = models.get(i);
      List<GroupedModel.Part> parts =
          (planned.getGroupCoefficients().isEmpty() ? List.of(tensors) : groups)
              .stream()
                  .map(
                      part ->
                          new GroupedModel.Part(
                              formula.readsFishers()
                                  ? model
                                      .sums(planned.getEpoch(), MergeSet.of(part, List.of()))
                                      .total()
                                  : 0,
                              model.entries(part, plan.getMethod())))
                  .toList();
      // A layer has the plan's factors: a merge divides by the norm or mean of the whole Fisher.
      masses.put(
          planned.getModel(),
          new GroupedModel(PlannedModels.whole(planned), planned.getGroupCoefficients(), parts)
              .mass(formula));
    }
    Map<String, Double> shares = Shares.of(masses);
    return new Part(
        name,
        entries,
        plan.getModels().stream().map(model -> shares.get(model.getModel())).toList());
  }

  private static PoolModel require(PoolView view, MergePlan plan, String model, long version) {
    NavigableMap<Long, PoolModel> versions = view.models().get(model);
    if (versions == null || !versions.containsKey(version)) {
      throw PlannedModels.gone(plan, model + "@" + version);
    }
    return versions.get(version);
  }
}
