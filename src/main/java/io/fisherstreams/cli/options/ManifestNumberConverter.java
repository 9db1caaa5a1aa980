package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import java.util.function.DoubleConsumer;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Numbers of a manifest; what it may not hold is a usage error of its option. */
abstract class ManifestNumberConverter implements ITypeConverter<Double> {
  private final DoubleConsumer rule;

  /** Converts what the rule does not reject with {@link InvalidInput}. */
  ManifestNumberConverter(DoubleConsumer rule) {
    this.rule = rule;
  }

  @Override
  public Double convert(String text) {
    try {
      double value = Double.parseDouble(text);
      rule.accept(value);
      return value;
    } catch (NumberFormatException e) {
      throw new TypeConversionException("expected a number, found '" + text + "'");
    } catch (InvalidInput e) {
      throw new TypeConversionException(e.getMessage());
    }
  }
}
