package io.fisherstreams.record;

import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.EpsilonShares.Part;
import java.util.List;

/** What a plan's models say of the constant that is added to their Fishers. */
public final class PlannedModels {
  private PlannedModels() {}

  /** Each model's share, and the constant's part of it. */
  public static List<Part> epsilonParts(List<PlannedModel> models) {
    return models.stream()
        .map(model -> new Part(model.getModel(), model.getShare(), model.getEpsilonShare()))
        .toList();
  }

  /** The constant's part of all weights of a plan, from 0 to 1. */
  public static double epsilonShare(MergePlan plan) {
    return EpsilonShares.ofRelease(epsilonParts(plan.getModels()));
  }
}
