package io.fisherstreams.cli.output;

import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModels;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** A merge method in one line, by the names of its keys. */
public final class MethodText {
  private MethodText() {}

  /** Name and settings, such as {@code gradient_matching, scale 1.0, prior 0.3}. */
  public static String of(MergeFormula formula) {
    List<String> parts = new ArrayList<>(List.of(formula.name()));
    MergeMethods.keys(formula)
        .forEach(
            (key, value) -> {
              if (!key.equals("name")) {
                parts.add(key + " " + value);
              }
            });
    return String.join(", ", parts);
  }

  /** The method of a plan, and how much of its weights is not Fisher. */
  public static String of(MergePlan plan) {
    MergeFormula formula = MergeMethods.formula(plan.getMethod());
    return of(formula)
        + (formula.readsFishers()
            ? "; %s is %s of all weights"
                .formatted(
                    formula.constantName(), EpsilonShares.percent(PlannedModels.epsilonShare(plan)))
            : "");
  }

  /** The groups of parameters of a method, such as {@code early 'h\.[0-5]\.'}; "none" for none. */
  public static String groups(MergeMethod method) {
    return method.getGroups().isEmpty()
        ? "none"
        : method.getGroups().stream()
            .map(group -> group.getName() + " '" + group.getPattern() + "'")
            .collect(Collectors.joining(", "));
  }
}
