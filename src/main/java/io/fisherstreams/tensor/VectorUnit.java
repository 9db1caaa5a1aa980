package io.fisherstreams.tensor;

/**
 * Whether loops written with {@code jdk.incubator.vector} can be used. Java 17's compiler does not
 * vectorise a loop that changes the width of its numbers, for example from float32 to float64; this
 * module does. It is an incubator module that must be requested at start ({@code --add-modules
 * jdk.incubator.vector}; {@code bin/fisher-streams} does so). Without it the plain loops give the
 * same bits, more slowly. (Only the squared products of an estimate have no plain loop: PyTorch
 * computes them instead, and rounds differently.) Code that uses a class with the module's types
 * must first check {@link #IS_USABLE}.
 *
 * <p>A vector loop handles as many elements as fill whole vectors; its plain loop does the rest,
 * from 0 on where there are no vectors. So each plain loop exists once.
 */
public final class VectorUnit {
  // An incubator module may change: Java 21 has other loads from memory than Java 17.
  private static final int LAST_RELEASE = 20;

  /** Whether the module was resolved at start and is that of Java 17. */
  public static final boolean IS_USABLE =
      Runtime.version().feature() <= LAST_RELEASE
          && ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();

  private VectorUnit() {}
}
