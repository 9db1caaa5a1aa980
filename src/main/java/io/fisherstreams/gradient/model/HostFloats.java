package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** Float32 arrays in the host's memory. */
final class HostFloats {
  private HostFloats() {}

  /** An array's own memory, or a copy of it when its elements are not in order. */
  static FloatBuffer of(NDArray array) {
    return array.toByteBuffer(true).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }
}
