package io.fisherstreams.cli.options;

import io.fisherstreams.record.ManifestRules;

/** Coefficients and ε, which are at least 0. */
public final class WeightConverter extends ManifestNumberConverter {
  /** For picocli. */
  public WeightConverter() {
    super(value -> ManifestRules.requireWeight("it", value));
  }
}
