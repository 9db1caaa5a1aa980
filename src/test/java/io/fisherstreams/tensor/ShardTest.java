package io.fisherstreams.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ShardTest {
  /** CRC-32 values from Python's {@code zlib.crc32}. */
  @ParameterizedTest
  @CsvSource({"123456789, 3421780262", "head.weight, 2154464288", "größe, 1540598153"})
  void thePartitionIsThePublishedArithmetic(String parameter, long crc) {
    for (int partitions : new int[] {1, 4, 7, 12}) {
      for (int index : new int[] {0, 1, 6, 1_000_000}) {
        assertThat(Shard.partition(parameter, index, partitions))
            .isEqualTo((int) ((crc + index) % partitions));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "262144, 1", "262145, 2", "524288, 2", "0, 1"})
  void theLastShardHoldsTheRest(long elements, int shards) {
    TensorInfo tensor = new TensorInfo("w", DType.BF16, List.of(elements));
    assertThat(Shard.count(tensor)).isEqualTo(shards);
    long sum = 0;
    for (int index = 0; index < shards; index++) {
      Shard shard = new Shard(tensor, index);
      assertThat(shard.firstElement()).isEqualTo(sum);
      assertThat(shard.bytes()).isEqualTo(2 * shard.elements());
      sum += shard.elements();
    }
    assertThat(sum).isEqualTo(elements);
  }

  @ParameterizedTest
  @ValueSource(longs = {(1L << 38) + 1, 1L << 50, (1L << 59) - 1})
  void aTensorBeyondAllMeasureIsRejected(long elements) {
    TensorInfo tensor = new TensorInfo("w", DType.F32, List.of(elements));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Shard.count(tensor))
        .withMessageContaining("w has " + elements + " elements");
  }

  @Test
  void aScalarHasOneElement() {
    Shard shard = new Shard(new TensorInfo("logit_scale", DType.F32, List.of()), 0);
    assertThat(shard.elements()).isEqualTo(1);
    assertThat(shard.id()).isEqualTo("logit_scale[0]");
  }

  @Test
  void thereIsNoShardBeyondTheTensor() {
    TensorInfo tensor = new TensorInfo("w", DType.F32, List.of(262144L));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Shard(tensor, 1))
        .withMessageContaining("w has 1 shard(s)");
    assertThatIllegalArgumentException().isThrownBy(() -> new Shard(tensor, -1));
  }
}
