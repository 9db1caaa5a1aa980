package io.fisherstreams.tuning;

import java.util.Locale;

/** A kind of setting that a search may change, by its key in files. */
public enum Searched {
  COEFFICIENT,
  SCALE,
  PRIOR,
  RELATIVE_FISHER_WEIGHT;

  /** As files and options spell it. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}
