package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** The merge methods of manifests and plans, and the formulas that they stand for. */
public final class MergeMethods {
  private MergeMethods() {}

  /**
   * The formula of a method that {@link ManifestRules} has checked.
   *
   * @throws InvalidInput when it was not checked and breaks a rule
   */
  public static MergeFormula formula(MergeMethod method) {
    return formula(method, UnaryOperator.identity());
  }

  /**
   * The formula of a method.
   *
   * @param names what the user calls a field of {@link MergeMethod}
   * @throws InvalidInput when the method is unknown, or a value is out of range
   */
  public static MergeFormula formula(MergeMethod method, UnaryOperator<String> names) {
    return MethodSettings.of(method).formula(names);
  }

  /**
   * The method that stands for a formula.
   *
   * @param exclude patterns of the parameters that keep the base's values
   * @param outputDtype the type of a release's floating tensors, null for the base's
   */
  public static MergeMethod of(MergeFormula formula, List<String> exclude, String outputDtype) {
    return of(formula, exclude, outputDtype, UnchangedWeight.NO_SAY, ParameterGroups.NONE);
  }

  /**
   * The method that stands for a formula.
   *
   * @param exclude patterns of the parameters that keep the base's values
   * @param outputDtype the type of a release's floating tensors, null for the base's
   * @param unchanged the weight of what a model leaves as the base has it
   * @param groups in which a model may have a λ of its own
   */
  public static MergeMethod of(
      MergeFormula formula,
      List<String> exclude,
      String outputDtype,
      UnchangedWeight unchanged,
      ParameterGroups groups) {
    MergeMethod.Builder method =
        MergeMethod.newBuilder()
            .setName(formula.name())
            .setScale(formula.scale())
            .setExcludeParamNamesRegex(exclude)
            .setOutputDtype(outputDtype)
            .setUnchangedParameters(unchanged)
            .setGroups(
                groups.all().stream()
                    .map(group -> new ParameterGroup(group.name(), group.pattern()))
                    .toList());
    if (formula instanceof FisherAverage average) {
      method.setFisherExponent(average.exponent());
      if (average.unit() == Unit.MEAN) {
        method.setRelativeFisherWeight(average.constant());
      } else {
        method
            .setNormalizeFisherWeight(average.unit() == Unit.NORM)
            .setMinimalFisherWeight(average.constant());
      }
    } else if (formula instanceof GradientMatching matching) {
      method.setPrior(matching.prior());
    }
    return method.build();
  }

  /** The name and the settings of a formula by their keys in files, in the order of the files. */
  public static Map<String, String> keys(MergeFormula formula) {
    Map<String, String> keys = new LinkedHashMap<>();
    keys.put("name", formula.name());
    keys.put("scale", Double.toString(formula.scale()));
    if (formula instanceof FisherAverage average) {
      keys.put("fisher_exponent", Double.toString(average.exponent()));
      if (average.unit() != Unit.MEAN) {
        keys.put("normalize_fisher_weight", Boolean.toString(average.unit() == Unit.NORM));
      }
    }
    if (formula.readsFishers()) {
      keys.put(formula.constantName(), Double.toString(formula.constant()));
    }
    return keys;
  }

  /** Another formula with all else that a method says. */
  public static MergeMethod with(MergeMethod method, MergeFormula formula) {
    return with(method, formula, groups(method));
  }

  /** Another formula and other groups with all else that a method says. */
  public static MergeMethod with(MergeMethod method, MergeFormula formula, ParameterGroups groups) {
    return of(
        formula,
        method.getExcludeParamNamesRegex(),
        method.getOutputDtype(),
        method.getUnchangedParameters(),
        groups);
  }

  /**
   * The groups of parameters in which a model may have a λ of its own.
   *
   * @throws InvalidInput when the method was not checked and breaks a rule
   */
  public static ParameterGroups groups(MergeMethod method) {
    return ParameterGroups.of(
        method.getGroups().stream()
            .map(group -> new ParameterGroups.Group(group.getName(), group.getPattern()))
            .toList());
  }

  /** λ of a model, as its manifest gives it. */
  public static Coefficients coefficients(ModelManifest manifest) {
    return new Coefficients(
        manifest.getCoefficient() == null
            ? OptionalDouble.empty()
            : OptionalDouble.of(manifest.getCoefficient()),
        new TreeMap<>(manifest.getGroupCoefficients()));
  }

  /** The manifest with another λ of its model. */
  public static ModelManifest with(ModelManifest manifest, Coefficients coefficients) {
    return ModelManifest.newBuilder(manifest)
        .setCoefficient(coefficients.own().isPresent() ? coefficients.own().getAsDouble() : null)
        .setGroupCoefficients(coefficients.ofGroups())
        .build();
  }

  /**
   * Whether the base's value has a weight in a model that leaves a parameter as the base has it.
   */
  public static boolean weighsUnchanged(MergeMethod method) {
    return method.getUnchangedParameters() == UnchangedWeight.EPSILON;
  }

  /** The weight of what a model leaves as the base has it, by its name in files and options. */
  public static UnchangedWeight unchanged(String name) {
    return Stream.of(UnchangedWeight.values())
        .filter(weight -> unchanged(weight).equals(name))
        .findFirst()
        .orElseThrow(() -> new InvalidInput("'%s', expected no_say or epsilon".formatted(name)));
  }

  /** The name of a weight in files and options: {@code no_say}. */
  public static String unchanged(UnchangedWeight weight) {
    return weight.name().toLowerCase(Locale.ROOT);
  }

  /**
   * The method {@code fisher} without scale and exponent.
   *
   * @param exclude patterns of the parameters that keep the base's values
   * @param outputDtype the type of a release's floating tensors, null for the base's
   */
  public static MergeMethod fisher(
      List<String> exclude, boolean normalize, double epsilon, String outputDtype) {
    return of(FisherAverage.of(epsilon, normalize), exclude, outputDtype);
  }
}
