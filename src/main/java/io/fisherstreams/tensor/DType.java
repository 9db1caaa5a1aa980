package io.fisherstreams.tensor;

import java.util.Optional;

/**
 * The element types of the safetensors format, by the names that its headers use. All are
 * little-endian. The format's packed types below one byte (F4, F6) are missing.
 *
 * <p>The constants are in the order in which the reference implementation writes tensors to a file:
 * by descending alignment, so that every tensor starts aligned.
 */
public enum DType {
  U64(8, false),
  I64(8, false),
  F64(8, true),
  C64(8, false),
  F32(4, true),
  U32(4, false),
  I32(4, false),
  BF16(2, true),
  F16(2, true),
  U16(2, false),
  I16(2, false),
  F8_E5M2FNUZ(1, false),
  F8_E4M3FNUZ(1, false),
  F8_E8M0(1, false),
  F8_E4M3(1, false),
  F8_E5M2(1, false),
  I8(1, false),
  U8(1, false),
  BOOL(1, false);

  private final int bytes;
  private final boolean mergeable;

  DType(int bytes, boolean mergeable) {
    this.bytes = bytes;
    this.mergeable = mergeable;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** Whether tensors of this type take part in a merge; all others keep the base model's value. */
  public boolean mergeable() {
    return mergeable;
  }

  /** The type with this safetensors name ({@code "F32"}); empty for an unknown name. */
  public static Optional<DType> of(String name) {
    for (DType dtype : values()) {
      if (dtype.name().equals(name)) {
        return Optional.of(dtype);
      }
    }
    return Optional.empty();
  }
}
