package io.fisherstreams.checkpoint;

import java.util.Optional;

/**
 * The element types of the safetensors format, by the names that its headers use. All are
 * little-endian.
 */
public enum DType {
  F64(8, true),
  F32(4, true),
  F16(2, true),
  BF16(2, true),
  F8_E4M3(1, false),
  F8_E5M2(1, false),
  I64(8, false),
  I32(4, false),
  I16(2, false),
  I8(1, false),
  U64(8, false),
  U32(4, false),
  U16(2, false),
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

  /**
   * The type of this safetensors name ({@code "F32"}), empty when the format has none of that name.
   */
  public static Optional<DType> of(String name) {
    for (DType dtype : values()) {
      if (dtype.name().equals(name)) {
        return Optional.of(dtype);
      }
    }
    return Optional.empty();
  }
}
