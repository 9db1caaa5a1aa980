package io.fisherstreams.tensor;

/**
 * Whether loops may be written with {@code jdk.incubator.vector}. Java 17's compiler does not
 * vectorise a loop that changes the width of its numbers, as widening float32 to float64 does; that
 * module does. It is an incubator and has to be asked for ({@code --add-modules
 * jdk.incubator.vector}, as {@code bin/fisher-streams} does); without it the plain loops give the
 * same bits, slower (the squared products of an estimate alone have no such twin). A class that
 * names the module's types must only be reached where this is true.
 */
public final class VectorUnit {
  /** Whether the module was resolved at start. */
  public static final boolean IS_USABLE =
      ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();

  private VectorUnit() {}
}
