package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.ParameterGroups;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

/** A model's λ in a group of parameters, as an option gives it. */
public record GroupCoefficient(String group, double lambda) {
  /** Those of all occurrences of an option; a group that is given twice is wrong usage. */
  public static SortedMap<String, Double> all(
      String option, List<GroupCoefficient> given, CommandLine line) {
    SortedMap<String, Double> all = new TreeMap<>();
    for (GroupCoefficient one : given) {
      if (all.put(one.group, one.lambda) != null) {
        throw new ParameterException(
            line, "%s gives the group '%s' twice".formatted(option, one.group));
      }
    }
    return all;
  }

  /** Reads {@code GROUP=LAMBDA}. */
  public static final class Converter implements ITypeConverter<GroupCoefficient> {
    @Override
    public GroupCoefficient convert(String text) {
      NamedValue parts = NamedValue.of("GROUP=LAMBDA", text);
      try {
        ParameterGroups.requireName(parts.name());
      } catch (InvalidInput e) {
        throw new TypeConversionException(e.getMessage());
      }
      return new GroupCoefficient(parts.name(), new CoefficientConverter().convert(parts.value()));
    }
  }
}
