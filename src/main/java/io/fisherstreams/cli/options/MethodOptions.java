package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MethodSettings;
import io.fisherstreams.record.UnchangedWeight;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

/** The settings of a merge method; a mixin, and part of {@link BaseMethodOptions}. */
public class MethodOptions {
  @Option(
      names = "--scale",
      paramLabel = "S",
      converter = WeightConverter.class,
      description = "How far a release is from the base. Default: 1; 0.3 for task_arithmetic.")
  private Double scale;

  @Option(
      names = "--fisher-exponent",
      paramLabel = "GAMMA",
      converter = WeightConverter.class,
      description = "fisher: the power of the weights; 0 is the plain average. Default: 1.")
  private Double fisherExponent;

  @Option(
      names = "--no-normalize",
      description = "fisher: does not divide a model's weight by the norm of its Fisher.")
  private boolean noNormalize;

  @Option(
      names = "--minimal-fisher-weight",
      paramLabel = "EPSILON",
      converter = WeightConverter.class,
      description = "fisher: added to every entry of every Fisher. Default: 1e-6.")
  private Double minimalFisherWeight;

  @Option(
      names = "--relative-fisher-weight",
      paramLabel = "R",
      converter = WeightConverter.class,
      description =
          "fisher: divides each Fisher by its mean and adds R to every entry, instead of the two options above; 0.001 is a good choice.")
  private Double relativeFisherWeight;

  @Option(
      names = "--prior",
      paramLabel = "DELTA",
      converter = WeightConverter.class,
      description =
          "gradient_matching: weight of the base, in units of a model's mean Fisher. Default: 0.3.")
  private Double prior;

  @Option(
      names = "--unchanged-parameters",
      paramLabel = "WEIGHT",
      converter = UnchangedConverter.class,
      description =
          "What weight the base's value has in a model, such as a LoRA adapter, that leaves a parameter as the base has it: no_say or epsilon (docs/adapters.md). Default: no_say.")
  private UnchangedWeight unchangedParameters;

  @Option(
      names = "--group",
      paramLabel = "NAME=REGEX",
      converter = GroupConverter.class,
      description =
          "A group of parameters in which a model may have a coefficient of its own (weight --group); matched at the start of the name. A parameter belongs to the first group that matches. Repeatable, at most 8.")
  private List<ParameterGroups.Group> groups = List.of();

  /** The groups of parameters, in the order in which they are given. */
  public ParameterGroups groups(CommandLine line) {
    try {
      return ParameterGroups.of(groups);
    } catch (InvalidInput e) {
      throw new ParameterException(line, "--group: " + e.getMessage(), e);
    }
  }

  /** The weight of what a model leaves as the base has it, if it is given. */
  public Optional<UnchangedWeight> unchangedParameters() {
    return Optional.ofNullable(unchangedParameters);
  }

  /** Reads a weight's name. */
  static final class UnchangedConverter implements ITypeConverter<UnchangedWeight> {
    @Override
    public UnchangedWeight convert(String name) {
      try {
        return MergeMethods.unchanged(name);
      } catch (InvalidInput e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /**
   * The formula; settings that it does not have, or that are out of range, are wrong usage.
   *
   * @param name of the method, null for {@code fisher}
   */
  public MergeFormula formula(String name, CommandLine line) {
    try {
      return settings(name).formula(MethodOptions::option);
    } catch (InvalidInput e) {
      throw new ParameterException(line, e.getMessage(), e);
    }
  }

  private MethodSettings settings(String name) {
    return new MethodSettings(
        name,
        scale,
        fisherExponent,
        noNormalize ? Boolean.FALSE : null,
        minimalFisherWeight,
        relativeFisherWeight,
        prior);
  }

  private static String option(String field) {
    return switch (field) {
      case "name" -> "the method";
      case "normalizeFisherWeight" -> "--no-normalize";
      default -> "--" + field.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
    };
  }
}
