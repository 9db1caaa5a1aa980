package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ManifestRules;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Coefficients; what no manifest may hold is a usage error of its option. */
public final class CoefficientConverter implements ITypeConverter<Double> {
  @Override
  public Double convert(String text) {
    try {
      double value = Double.parseDouble(text);
      ManifestRules.requireCoefficient("it", value);
      return value;
    } catch (NumberFormatException e) {
      throw new TypeConversionException("expected a number, found '" + text + "'");
    } catch (InvalidInput e) {
      throw new TypeConversionException(e.getMessage());
    }
  }
}
