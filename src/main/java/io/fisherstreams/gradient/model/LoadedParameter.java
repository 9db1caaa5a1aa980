package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.tensor.TensorInfo;

/**
 * A model's named tensor in native memory.
 *
 * @param info name, stored dtype and shape, as in the checkpoint
 * @param value the same shape in float32; owned by the {@link Parameters} that loaded it
 * @param estimated whether the Fisher covers it, which is false for a frozen head's tensors
 * @param precision of matrix products with it
 */
record LoadedParameter(TensorInfo info, NDArray value, boolean estimated, Precision precision) {
  String name() {
    return info.name();
  }
}
