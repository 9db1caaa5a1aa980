package io.fisherstreams.merge;

import java.util.Locale;

/** Which payloads the merge stage keeps in local files. */
public enum LocalPayloads {
  /** All of them. */
  ALL,
  /**
   * Those of models that are not in the kept sums of all their shards. The others are read back
   * from the payload topics when they are needed.
   */
  RECENT;

  /** As the configuration writes it. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
