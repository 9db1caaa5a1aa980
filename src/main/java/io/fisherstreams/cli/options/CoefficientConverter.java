package io.fisherstreams.cli.options;

import io.fisherstreams.record.ManifestRules;

/** Coefficients of a method that may accept negative ones. */
public final class CoefficientConverter extends ManifestNumberConverter {
  /** For picocli. */
  public CoefficientConverter() {
    super(value -> ManifestRules.requireCoefficient("it", value));
  }
}
