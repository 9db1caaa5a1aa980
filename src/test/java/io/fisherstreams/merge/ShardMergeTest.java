package io.fisherstreams.merge;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardMergeTest {
  /** Shards begin after other ones, and have more than one block. */
  private static final int BEFORE = 5;

  private static final int ELEMENTS = ShardMerge.BLOCK + 7;

  @TempDir private Path directory;
  private PayloadStore store;
  private PartitionPayloads payloads;
  private final ShardMerge merge = new ShardMerge();

  @BeforeEach
  void open() {
    store = PayloadStore.open(directory);
    payloads = store.partition(0);
  }

  @AfterEach
  void close() {
    payloads.close();
    store.close();
  }

  private PayloadFile file(String model, PayloadName name, float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    PayloadFile file = payloads.file(new ModelVersion(model, 1), name);
    file.write(0, BEFORE * Float.BYTES, bytes);
    return file;
  }

  private static PayloadElements source(PayloadFile file) {
    return new PayloadElements(file, BEFORE * Float.BYTES, DType.F32);
  }

  private static ShardInput input(
      PayloadFile checkpoint, PayloadFile fisher, double divisor, double weight) {
    return new ShardInput(
        source(checkpoint), Optional.of(new ShardInput.Fisher(source(fisher), divisor, 1)), weight);
  }

  private static ShardSums sums(double epsilon) {
    return new ShardSums(FisherAverage.of(epsilon, false), MergeKernel.java());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void everyEntryIsTheWeightedMean(int models) {
    Random random = new Random(models);
    double epsilon = 0.125;
    double[] upper = new double[ELEMENTS];
    double[] lower = new double[ELEMENTS];
    List<ShardInput> inputs = new ArrayList<>();
    for (int m = 0; m < models; m++) {
      double weight = 0.25 * (m + 1);
      double divisor = m + 2;
      float[] theta = new float[ELEMENTS];
      float[] fisher = new float[ELEMENTS];
      for (int j = 0; j < ELEMENTS; j++) {
        theta[j] = random.nextInt(256) - 128;
        fisher[j] = random.nextInt(64);
        double w = weight * (fisher[j] / divisor + epsilon);
        upper[j] += w * theta[j];
        lower[j] += w;
      }
      inputs.add(
          input(
              file("m" + m, PayloadName.CHECKPOINT, theta),
              file("m" + m, PayloadName.fisher(1), fisher),
              divisor,
              weight));
    }
    assertThat(merge.merge(sums(epsilon), Optional.empty(), inputs, ELEMENTS, DType.F64)).isZero();
    ByteBuffer merged = merge.merged();
    assertThat(merged.remaining()).isEqualTo(ELEMENTS * Double.BYTES);
    for (int j = 0; j < ELEMENTS; j++) {
      double expected = upper[j] / lower[j];
      assertThat(Math.abs(merged.getDouble(j * Double.BYTES) - expected))
          .as("entry %d", j)
          .isLessThanOrEqualTo(1e-12 * Math.max(1, Math.abs(expected)));
    }
  }

  @Test
  void entriesWithoutAWeightAreCounted() {
    float[] fisher = new float[ELEMENTS];
    fisher[3] = 1;
    ShardInput input =
        input(
            file("a", PayloadName.CHECKPOINT, new float[ELEMENTS]),
            file("a", PayloadName.fisher(1), fisher),
            1,
            1);
    assertThat(merge.merge(sums(0), Optional.empty(), List.of(input), ELEMENTS, DType.F32))
        .isEqualTo(ELEMENTS - 1);
  }

  @Test
  void aCopyIsTheShardAndNothingBeforeItInItsOwnTypeOrAnother() {
    float[] values = new float[ELEMENTS];
    for (int j = 0; j < ELEMENTS; j++) {
      values[j] = j % 251 - 125;
    }
    PayloadFile file = file("base", PayloadName.CHECKPOINT, values);
    for (DType type : List.of(DType.F32, DType.F64)) {
      merge.copy(source(file), ELEMENTS, type);
      ByteBuffer copy = merge.merged();
      assertThat(copy.remaining()).isEqualTo(ELEMENTS * type.bytes());
      for (int j = 0; j < ELEMENTS; j++) {
        double found = type == DType.F32 ? copy.getFloat(4 * j) : copy.getDouble(8 * j);
        assertThat(found).isEqualTo(values[j]);
      }
    }
  }

  private ShardInput input(String model, float theta, float fisher, double weight) {
    float[] thetas = new float[ELEMENTS];
    float[] fishers = new float[ELEMENTS];
    thetas[ShardMerge.BLOCK + 2] = theta;
    fishers[ShardMerge.BLOCK + 2] = fisher;
    return input(
        file(model, PayloadName.CHECKPOINT, thetas),
        file(model, PayloadName.fisher(1), fishers),
        1,
        weight);
  }

  @Test
  void anElementThatTheOutputTypeCannotHoldIsFound() {
    List<ShardInput> inputs = List.of(input("a", 65_520, 1, 1)); // F16 ends at 65,504
    merge.merge(sums(1e-6), Optional.empty(), inputs, ELEMENTS, DType.F16);
    assertThat(merge.misfit()).contains(new Misfit(ShardMerge.BLOCK + 2, 65_520));
    merge.merge(sums(1e-6), Optional.empty(), inputs, ELEMENTS, DType.BF16);
    assertThat(merge.misfit()).isEmpty();
  }

  @Test
  void aSumBeyondFloat64IsFound() {
    List<ShardInput> inputs = List.of(input("a", 1e30f, 1e38f, 1e300));
    merge.merge(sums(0), Optional.empty(), inputs, ELEMENTS, DType.F32);
    assertThat(merge.misfit())
        .hasValueSatisfying(misfit -> assertThat(misfit.element()).isEqualTo(ShardMerge.BLOCK + 2))
        .hasValueSatisfying(misfit -> assertThat(misfit.value()).isNaN());
  }

  @Test
  void aCopyKeepsTheInfinitiesOfAMaskAndNoOthers() {
    float[] mask = new float[ELEMENTS];
    mask[1] = Float.NEGATIVE_INFINITY;
    mask[ShardMerge.BLOCK] = Float.NEGATIVE_INFINITY;
    PayloadFile file = file("a", PayloadName.CHECKPOINT, mask);
    merge.copy(source(file), ELEMENTS, DType.F16);
    assertThat(merge.misfit()).isEmpty();
    mask[ShardMerge.BLOCK + 1] = -70_000;
    file = file("b", PayloadName.CHECKPOINT, mask);
    merge.copy(source(file), ELEMENTS, DType.F16);
    assertThat(merge.misfit()).contains(new Misfit(ShardMerge.BLOCK + 1, -70_000));
    merge.copy(source(file), ELEMENTS, DType.F32);
    assertThat(merge.misfit()).isEmpty();
  }
}
