package io.fisherstreams.gradient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ActivationTest {
  private static final float[] POINTS = {-2.5f, -1, -0.3f, 0.2f, 0.7f, 1.9f};

  @ParameterizedTest
  @EnumSource(Activation.class)
  void automaticDifferentiationReadsNothingThatJavaMayHaveFreed(Activation activation) {
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      NDArray x = manager.create(POINTS);
      float[] expected = activation.derivative(x).toFloatArray();
      x.setRequiresGradient(true);
      JniUtils.setGradMode(true);
      try {
        NDArray total = activation.apply(x).sum();
        reuseFreedBuffers();
        JniUtils.backward((PtNDArray) total, (PtNDArray) manager.create(1f), false, false);
      } finally {
        JniUtils.setGradMode(false);
      }
      assertThat(x.getGradient().toFloatArray()).containsExactly(expected, within(1e-6f));
    }
  }

  /** Overwrites what buffers without an owner held. */
  private static void reuseFreedBuffers() {
    for (int round = 0; round < 3; round++) {
      WeakReference<ByteBuffer> canary = new WeakReference<>(ByteBuffer.allocateDirect(4));
      while (canary.get() != null) {
        System.gc();
      }
      for (int i = 0; i < 5000; i++) {
        ByteBuffer.allocateDirect(4).putFloat(7.7f);
      }
    }
  }
}
