package io.fisherstreams.demo;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A model's diagonal Fisher from its gradient batches: their sum, in float64, divided by the number
 * of their examples.
 */
final class EstimatedFisher {
  private final List<TensorInfo> tensors;
  private final Map<String, double[]> sums = new HashMap<>();
  private final Map<String, Long> examples = new HashMap<>();

  /** A Fisher over no examples. */
  EstimatedFisher(List<TensorInfo> tensors) {
    this.tensors = tensors;
    for (TensorInfo tensor : tensors) {
      sums.put(tensor.name(), new double[Math.toIntExact(tensor.elements())]);
    }
  }

  /**
   * Adds a batch of one shard.
   *
   * @throws IllegalStateException when it does not hold a sum for each element
   */
  void add(GradientBatch batch) {
    String shard = Shard.id(batch.getParameter(), batch.getShard());
    if (batch.getEncoding() != Encoding.SQUARED_SUM) {
      throw new IllegalStateException(
          "gradient batch of %s: expected SQUARED_SUM, found %s"
              .formatted(shard, batch.getEncoding()));
    }
    double[] sum = sums.get(batch.getParameter());
    FloatBuffer squares =
        batch.getData().duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    for (int j = batch.getShard() * Shard.ELEMENTS; squares.hasRemaining(); j++) {
      sum[j] += squares.get();
    }
    examples.merge(shard, batch.getExamples(), Long::sum);
  }

  /** The mean over all examples. */
  DigitParameters mean() {
    Map<String, float[]> means = new HashMap<>();
    for (TensorInfo tensor : tensors) {
      double[] sum = sums.get(tensor.name());
      float[] mean = new float[sum.length];
      for (int index = 0; index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        double count = examples.get(shard.id());
        int first = Math.toIntExact(shard.firstElement());
        for (int j = first; j < first + shard.elements(); j++) {
          mean[j] = (float) (sum[j] / count);
        }
      }
      means.put(tensor.name(), mean);
    }
    return new DigitParameters(tensors, means);
  }
}
