package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The estimators of the diagonal Fisher, by their names in manifests, files and options. */
public enum EstimatorName {
  EXACT,
  SAMPLED,
  EMPIRICAL,
  FUSION_BENCH;

  /** The name in manifests, files and options: {@code fusion_bench}. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The estimator of a name; rejects an unknown name with {@link InvalidInput}. */
  public static EstimatorName of(String text) {
    return Stream.of(values())
        .filter(estimator -> estimator.text().equals(text))
        .findFirst()
        .orElseThrow(
            () ->
                new InvalidInput(
                    "'%s' is not known, expected one of %s"
                        .formatted(
                            text,
                            Stream.of(values())
                                .map(EstimatorName::text)
                                .collect(Collectors.joining(", ")))));
  }
}
