package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

class EstimatedFisherTest {
  @Test
  void isTheMeanOverTheExamplesOfAllBatchesShardByShard() {
    int length = Shard.ELEMENTS + 2;
    EstimatedFisher fisher =
        new EstimatedFisher(List.of(new TensorInfo("w", DType.F32, List.of((long) length))));
    float[] shard = new float[Shard.ELEMENTS];
    shard[0] = 6;
    shard[7] = 3;
    fisher.add(batch(0, 3, Encoding.SQUARED_SUM, shard));
    shard[0] = 2;
    fisher.add(batch(0, 1, Encoding.SQUARED_SUM, shard));
    fisher.add(batch(1, 4, Encoding.SQUARED_SUM, 10, 1));
    float[] mean = fisher.mean().values("w");
    assertThat(mean).hasSize(length);
    assertThat(mean[0]).isEqualTo(2f);
    assertThat(mean[7]).isEqualTo(1.5f);
    assertThat(mean[1]).isZero();
    assertThat(mean[Shard.ELEMENTS]).isEqualTo(2.5f);
    assertThat(mean[Shard.ELEMENTS + 1]).isEqualTo(0.25f);
  }

  @Test
  void rejectsABatchThatHoldsNoSumForEachElement() {
    EstimatedFisher fisher =
        new EstimatedFisher(List.of(new TensorInfo("w", DType.F32, List.of(2L))));
    assertThatThrownBy(() -> fisher.add(batch(0, 1, Encoding.PER_EXAMPLE, 1, 2)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("gradient batch of w[0]: expected SQUARED_SUM, found PER_EXAMPLE");
  }

  private static GradientBatch batch(int shard, long examples, Encoding encoding, float... sums) {
    ByteBuffer data = ByteBuffer.allocate(sums.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    data.asFloatBuffer().put(sums);
    return new GradientBatch(
        "m", 1L, "w", shard, "@gradient/0", 0L, examples, encoding, ByteBuffer.allocate(0), data);
  }
}
