package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.Estimator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The name of an estimator; an unknown one is a usage error of its option. */
public final class EstimatorConverter implements ITypeConverter<String> {
  @Override
  public String convert(String name) {
    try {
      return Estimator.named(name, 1, 0).name();
    } catch (InvalidInput e) {
      throw new TypeConversionException(e.getMessage());
    }
  }
}
