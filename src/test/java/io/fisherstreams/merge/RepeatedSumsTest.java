package io.fisherstreams.merge;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RepeatedSumsTest {
  private static final int ELEMENTS = ShardMerge.BLOCK + 100;
  private static final Shard SHARD =
      new Shard(new TensorInfo("w", DType.F32, List.of((long) ELEMENTS)), 0);

  /** Random values that count how often they are read. */
  private static final class Counted implements ShardElements {
    private final ByteBuffer bytes =
        ByteBuffer.allocate(ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private int reads;

    Counted(long seed, boolean isPositive) {
      Random random = new Random(seed);
      for (int j = 0; j < ELEMENTS; j++) {
        float value = (float) random.nextGaussian();
        bytes.putFloat(j * Float.BYTES, isPositive ? value * value : value);
      }
    }

    @Override
    public DType type() {
      return DType.F32;
    }

    @Override
    public ByteBuffer read(int first, int count, ByteBuffer scratch) {
      reads++;
      return bytes.slice(first * Float.BYTES, count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  private final List<Counted> models = new ArrayList<>();
  private final List<Counted> fishers = new ArrayList<>();
  private final Counted base = new Counted(-1, false);
  private final ShardMerge arithmetic = new ShardMerge();

  private void make(int count) {
    for (int i = 0; i < count; i++) {
      models.add(new Counted(i, false));
      fishers.add(new Counted(1000 + i, true));
    }
  }

  private List<ShardInput> inputs(double... weights) {
    List<ShardInput> inputs = new ArrayList<>();
    for (int i = 0; i < models.size(); i++) {
      inputs.add(
          new ShardInput(
              models.get(i),
              Optional.of(new ShardInput.Fisher(fishers.get(i), 1, 1)),
              i < weights.length ? weights[i] : 0.6));
    }
    return inputs;
  }

  private byte[] merge(RepeatedSums repeated, MergeFormula formula, double... weights) {
    repeated.merge(
        arithmetic,
        new ShardSums(formula, MergeKernel.java()),
        SHARD,
        Optional.of(base),
        inputs(weights),
        DType.F32);
    byte[] merged = new byte[ELEMENTS * Float.BYTES];
    arithmetic.merged().get(0, merged);
    return merged;
  }

  private List<Integer> reads() {
    List<Integer> reads = models.stream().map(model -> model.reads).toList();
    models.forEach(model -> model.reads = 0);
    return reads;
  }

  @Test
  void aChangedWeightReadsItsModelAlone() {
    make(BinnedMerge.MIN_MODELS);
    MergeFormula formula = new GradientMatching(1, 0.3);
    RepeatedSums repeated = new RepeatedSums(Long.MAX_VALUE);
    repeated.begin("gradient_matching 0.3");
    merge(repeated, formula);
    reads();

    byte[] changed = merge(repeated, formula, 0.6, 0.9);

    // Two blocks; from each the model is taken out and added again.
    assertThat(reads().get(1)).isEqualTo(4);
    merge(repeated, formula, 0.6, 0.9);
    assertThat(reads()).as("nothing changed").containsOnly(0);
    assertThat(changed).isEqualTo(merge(new RepeatedSums(0), formula, 0.6, 0.9));
    assertThat(reads()).containsOnly(2);

    byte[] scaled = merge(repeated, new GradientMatching(1.4, 0.3), 0.6, 0.9);
    assertThat(reads()).as("the scale alone").containsOnly(0);
    assertThat(scaled)
        .isEqualTo(merge(new RepeatedSums(0), new GradientMatching(1.4, 0.3), 0.6, 0.9));
  }

  @Test
  void otherTermsAndTooLittleMemoryReadAllModels() {
    make(BinnedMerge.MIN_MODELS + 1);
    RepeatedSums repeated = new RepeatedSums(Long.MAX_VALUE);
    repeated.begin("gradient_matching 0.3");
    merge(repeated, new GradientMatching(1, 0.3));
    reads();
    repeated.begin("gradient_matching 1");
    byte[] merged = merge(repeated, new GradientMatching(1, 1));
    assertThat(reads()).containsOnly(2);
    assertThat(merged).isEqualTo(merge(new RepeatedSums(0), new GradientMatching(1, 1)));

    RepeatedSums small = new RepeatedSums(10);
    merge(small, new GradientMatching(1, 1));
    reads();
    assertThat(merge(small, new GradientMatching(1, 1))).isEqualTo(merged);
    assertThat(reads()).containsOnly(2);
  }

  @Test
  void fewModelsAreReadEachTime() {
    make(3);
    RepeatedSums repeated = new RepeatedSums(Long.MAX_VALUE);
    byte[] first = merge(repeated, new GradientMatching(1, 1));
    reads();
    assertThat(merge(repeated, new GradientMatching(1, 1))).isEqualTo(first);
    assertThat(reads()).containsOnly(2);
  }
}
