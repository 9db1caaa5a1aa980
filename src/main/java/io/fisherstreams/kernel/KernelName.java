package io.fisherstreams.kernel;

import java.util.Locale;

/** What computes the sums of a merge; the bytes of the result do not depend on it. */
public enum KernelName {
  /** ND4J if it uses a GPU and is faster there than Java; else Java. */
  AUTO,
  /** Java, with the processor's vectors where they are usable. */
  JAVA,
  /** ND4J, on whatever its backend uses. */
  ND4J;

  /** As users write it. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
