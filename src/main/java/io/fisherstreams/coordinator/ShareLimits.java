package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.Shares;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What happens when one model has nearly all of a merge. A share above {@link #WARN_ABOVE} is
 * always a warning. Above {@code largest}, the model is left out: it waits until it is replaced or
 * re-weighted, and the others are merged without it.
 *
 * @param largest the largest share of a model among others, above 0.5, so that at most one model
 *     has more; 1 for no limit
 * @param leavesTakeoversOut whether a model that takes the merge over because of ε waits, too
 */
public record ShareLimits(double largest, boolean leavesTakeoversOut) {
  /** No limit: warnings only. */
  public static final ShareLimits NONE = new ShareLimits(1, false);

  /** A larger share is always a warning. */
  public static final double WARN_ABOVE = 0.95;

  /** {@code largest} must be above this. */
  public static final double LOWEST = 0.5;

  /** Limits in the range above. */
  public ShareLimits {
    if (!(largest > LOWEST && largest <= 1)) {
      throw new IllegalArgumentException("largest is " + largest + ", expected 0.5 < largest <= 1");
    }
  }

  /** The limits under which a plan was made; none when it gives none that are possible. */
  static ShareLimits of(MergePlan plan) {
    double largest = plan.getLargestShare();
    return new ShareLimits(
        largest > LOWEST && largest < 1 ? largest : 1, plan.getLeavesTakeoversOut());
  }

  /** With every warning as a reason to leave the model out. */
  public ShareLimits strict() {
    return new ShareLimits(Math.min(largest, WARN_ABOVE), true);
  }

  /** The model of a proposal that must wait; empty when the proposal keeps the limits. */
  Optional<LeftOutModel> findExcess(Proposal proposal) {
    if (!hasOthers(proposal)) {
      return Optional.empty();
    }
    Optional<LeftOutModel> tooLarge =
        proposal.models().stream()
            .filter(model -> model.getShare() > largest)
            .findFirst()
            .map(
                model ->
                    new LeftOutModel(
                        model.getModel(),
                        model.getVersion(),
                        String.format(
                            Locale.ROOT,
                            "its share of the merge would be %.4f, more than %s (coordinator.largest_share)",
                            model.getShare(),
                            largest),
                        false));
    return tooLarge.or(() -> findTakeover(proposal));
  }

  private Optional<LeftOutModel> findTakeover(Proposal proposal) {
    return leavesTakeoversOut
        ? proposal.takeovers().stream()
            .findFirst()
            .map(
                takeover ->
                    new LeftOutModel(
                        takeover.model(),
                        proposal.versions().get(takeover.model()),
                        takeover.message(),
                        false))
        : Optional.empty();
  }

  /** What a user should know of a proposal's shares, and of how much of them is not Fisher. */
  static List<String> warnings(Proposal proposal) {
    List<String> warnings =
        new ArrayList<>(proposal.takeovers().stream().map(Shares.Takeover::message).toList());
    Set<String> named =
        proposal.takeovers().stream().map(Shares.Takeover::model).collect(Collectors.toSet());
    if (hasOthers(proposal)) {
      for (PlannedModel model : proposal.models()) {
        if (model.getShare() > WARN_ABOVE && !named.contains(model.getModel())) {
          warnings.add(
              String.format(
                  Locale.ROOT,
                  "model '%s' has %.4f of the merge. If that is not what you want, check its Fisher, or give it a lower coefficient",
                  model.getModel(),
                  model.getShare()));
        }
      }
    }
    NormOutliers.find(proposal.base().formula(), proposal.models()).stream()
        .filter(outlier -> !named.contains(outlier.model()))
        .forEach(outlier -> warnings.add(outlier.message()));
    proposal.epsilonWarning().ifPresent(warnings::add);
    return warnings;
  }

  private static boolean hasOthers(Proposal proposal) {
    return proposal.models().stream()
            .filter(model -> PlannedModels.isWeighted(proposal.base().formula(), model))
            .limit(2)
            .count()
        > 1;
  }
}
