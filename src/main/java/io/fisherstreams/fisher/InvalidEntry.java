package io.fisherstreams.fisher;

/** An entry of a gradient batch is NaN, infinite or no square. */
public final class InvalidEntry extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  InvalidEntry(String message) {
    super(message);
  }
}
