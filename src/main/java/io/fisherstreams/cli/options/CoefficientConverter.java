package io.fisherstreams.cli.options;

import io.fisherstreams.record.CoefficientRules;

/** Coefficients of a method that may accept negative ones. */
public final class CoefficientConverter extends ManifestNumberConverter {
  /** For picocli. */
  public CoefficientConverter() {
    super(value -> CoefficientRules.requireCoefficient("it", value));
  }
}
