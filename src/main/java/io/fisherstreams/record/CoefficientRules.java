package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Locale;

/** What λ of a model may be, and in which groups of parameters it may have one. */
public final class CoefficientRules {
  private CoefficientRules() {}

  /**
   * Rejects a coefficient that is NaN or infinite, or whose absolute value is neither 0 nor from
   * 1e-30 to 1e30, with {@link InvalidInput}. Whether it may be below 0 depends on the method.
   */
  public static void requireCoefficient(String name, double value) {
    if (!Double.isFinite(value)) {
      throw new InvalidInput("%s is %s, expected a finite number".formatted(name, value));
    }
    if (value != 0
        && (Math.abs(value) < ManifestRules.MIN_WEIGHT
            || Math.abs(value) > ManifestRules.MAX_WEIGHT)) {
      throw new InvalidInput(
          "%s is %s, expected 0 or an absolute value from 1e-30 to 1e30".formatted(name, value));
    }
  }

  /**
   * Rejects, with {@link InvalidInput}, more groups than a merge may have, or a λ that {@link
   * #requireCoefficient(String, double)} rejects.
   */
  public static void requireCoefficients(String name, Coefficients coefficients) {
    ManifestRules.requireAtMost(
        name + "s in groups", coefficients.ofGroups().size(), ParameterGroups.MAX_GROUPS);
    coefficients.own().ifPresent(own -> requireCoefficient(name, own));
    coefficients
        .ofGroups()
        .forEach(
            (group, value) -> {
              ParameterGroups.requireName(group);
              requireCoefficient(inGroup(name, group), value);
            });
  }

  /**
   * Rejects, with {@link InvalidInput}, what a merge does not accept: a group that it does not
   * have, or a λ below 0 for a method that accepts none.
   */
  public static void requireCoefficients(
      String name, Coefficients coefficients, MergeFormula formula, ParameterGroups groups) {
    coefficients.requireGroups(name, groups);
    coefficients.own().ifPresent(own -> requireCoefficient(name, own, formula));
    coefficients
        .ofGroups()
        .forEach((group, value) -> requireCoefficient(inGroup(name, group), value, formula));
  }

  private static String inGroup(String name, String group) {
    return name + " in group '" + group + "'";
  }

  static void requireGroups(ModelManifest base) {
    ParameterGroups groups = MergeMethods.groups(base.getMethod());
    if (groups.isEmpty()) {
      return;
    }
    for (ParameterGroups.Group group : groups.all()) {
      ManifestRules.requireLength(
          "the pattern of a group", group.pattern(), Limits.MAX_PATTERN_LENGTH);
    }
    List<TensorInfo> tensors = ManifestTensors.all(base);
    if (groups.work(tensors.stream().map(TensorInfo::name).toList()) > Limits.MAX_PATTERN_WORK) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "the groups' patterns are too large to match %d names; use shorter ones",
              tensors.size()));
    }
    groups.requireMembers(
        MergeSet.of(tensors, base.getMethod().getExcludeParamNamesRegex()).names());
  }

  /** Rejects a coefficient below 0 for a method that accepts none with {@link InvalidInput}. */
  public static void requireCoefficient(String name, Double value, MergeFormula formula) {
    if (value != null && value < 0 && !formula.acceptsNegativeCoefficients()) {
      throw new InvalidInput(
          "%s is %s: the method %s accepts no coefficient below 0 (%s does)"
              .formatted(name, value, formula.name(), TaskArithmetic.NAME));
    }
  }
}
