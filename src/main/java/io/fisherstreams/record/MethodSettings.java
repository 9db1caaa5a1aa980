package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.TaskArithmetic;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * The settings that choose a merge method, as a user or a manifest gives them; each is null where
 * it is not given.
 *
 * @param name the method; null for {@code fisher}
 * @param scale s
 * @param fisherExponent γ
 * @param normalizeFisherWeight whether λ is divided by N + ε
 * @param minimalFisherWeight ε
 * @param relativeFisherWeight r
 * @param prior δ
 */
public record MethodSettings(
    String name,
    Double scale,
    Double fisherExponent,
    Boolean normalizeFisherWeight,
    Double minimalFisherWeight,
    Double relativeFisherWeight,
    Double prior) {
  /** The methods that {@code name} may be. */
  public static final List<String> NAMES =
      List.of(FisherAverage.NAME, GradientMatching.NAME, TaskArithmetic.NAME);

  /** No setting given: {@code fisher} with its defaults. */
  public static final MethodSettings NONE =
      new MethodSettings(null, null, null, null, null, null, null);

  /** The settings of a manifest or a plan. */
  static MethodSettings of(MergeMethod method) {
    boolean isFisher = method.getName().equals(FisherAverage.NAME);
    boolean isAbsolute = isFisher && method.getRelativeFisherWeight() == null;
    return new MethodSettings(
        method.getName(),
        method.getScale(),
        isFisher || method.getFisherExponent() != 1 ? method.getFisherExponent() : null,
        isAbsolute ? method.getNormalizeFisherWeight() : null,
        isAbsolute ? method.getMinimalFisherWeight() : null,
        method.getRelativeFisherWeight(),
        method.getPrior());
  }

  /**
   * The formula that these settings choose, its defaults filled in.
   *
   * @param names what the user calls a field of this record
   * @throws InvalidInput when the method is unknown, a setting is one that the method does not
   *     have, or a value is out of range
   */
  public MergeFormula formula(UnaryOperator<String> names) {
    String method = Optional.ofNullable(name).orElse(FisherAverage.NAME);
    return switch (method) {
      case FisherAverage.NAME -> {
        requireAbsent(names, method, "prior", prior);
        yield fisher(names);
      }
      case GradientMatching.NAME -> {
        requireNoFisherKeys(names, method);
        yield new GradientMatching(
            scale(names, 1), positive(names, "prior", prior, GradientMatching.DEFAULT_PRIOR));
      }
      case TaskArithmetic.NAME -> {
        requireNoFisherKeys(names, method);
        requireAbsent(names, method, "prior", prior);
        yield new TaskArithmetic(scale(names, TaskArithmetic.DEFAULT_SCALE));
      }
      default ->
          throw new InvalidInput(
              "%s is '%s', expected one of %s"
                  .formatted(names.apply("name"), method, String.join(", ", NAMES)));
    };
  }

  private MergeFormula fisher(UnaryOperator<String> names) {
    double exponent = atLeastZero(names, "fisherExponent", fisherExponent, 1);
    double factor = scale(names, 1);
    if (relativeFisherWeight == null) {
      double epsilon =
          atLeastZero(
              names,
              "minimalFisherWeight",
              minimalFisherWeight,
              ManifestRules.DEFAULT_MINIMAL_FISHER_WEIGHT);
      boolean normalize = normalizeFisherWeight == null || normalizeFisherWeight;
      return new FisherAverage(factor, exponent, normalize ? Unit.NORM : Unit.ONE, epsilon);
    }
    requireNotBoth(names, "minimalFisherWeight", minimalFisherWeight);
    requireNotBoth(names, "normalizeFisherWeight", normalizeFisherWeight);
    return new FisherAverage(
        factor,
        exponent,
        Unit.MEAN,
        positive(names, "relativeFisherWeight", relativeFisherWeight, 0));
  }

  private double scale(UnaryOperator<String> names, double standard) {
    return atLeastZero(names, "scale", scale, standard);
  }

  private static double atLeastZero(
      UnaryOperator<String> names, String field, Double value, double standard) {
    double chosen = value == null ? standard : value;
    ManifestRules.requireWeight(names.apply(field), chosen);
    return chosen;
  }

  private static double positive(
      UnaryOperator<String> names, String field, Double value, double standard) {
    double chosen = atLeastZero(names, field, value, standard);
    if (chosen == 0) {
      throw new InvalidInput(
          "%s is %s, expected a number above 0".formatted(names.apply(field), chosen));
    }
    return chosen;
  }

  private void requireNoFisherKeys(UnaryOperator<String> names, String method) {
    requireAbsent(names, method, "fisherExponent", fisherExponent);
    requireAbsent(names, method, "normalizeFisherWeight", normalizeFisherWeight);
    requireAbsent(names, method, "minimalFisherWeight", minimalFisherWeight);
    requireAbsent(names, method, "relativeFisherWeight", relativeFisherWeight);
  }

  private static void requireAbsent(
      UnaryOperator<String> names, String method, String field, Object value) {
    if (value != null) {
      throw new InvalidInput("%s has no %s: remove it".formatted(method, names.apply(field)));
    }
  }

  private void requireNotBoth(UnaryOperator<String> names, String field, Object value) {
    if (value != null) {
      throw new InvalidInput(
          "%s replaces %s: remove one of them"
              .formatted(names.apply("relativeFisherWeight"), names.apply(field)));
    }
  }
}
