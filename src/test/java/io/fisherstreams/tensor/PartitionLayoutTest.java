package io.fisherstreams.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PartitionLayoutTest {
  private static final List<TensorInfo> TENSORS =
      List.of(
          new TensorInfo("embedding", DType.F32, List.of(1000L, 3000L)),
          new TensorInfo("scale", DType.F64, List.of()),
          new TensorInfo("empty", DType.F32, List.of(0L, 8L)),
          new TensorInfo("positions", DType.I64, List.of(77L)),
          new TensorInfo("head", DType.BF16, List.of(262144L, 2L)));

  @ParameterizedTest
  @ValueSource(ints = {1, 4, 7, 40})
  void everyShardHasOnePlaceAndPlacesLieOneBehindTheOther(int partitions) {
    Map<String, Integer> found = new HashMap<>();
    for (int partition = 0; partition < partitions; partition++) {
      PartitionLayout layout = new PartitionLayout(TENSORS, partition, partitions);
      long elements = 0;
      long bytes = 0;
      int ordinal = 0;
      for (Slot slot : layout.slots()) {
        assertThat(slot.shard().partition(partitions)).isEqualTo(partition);
        assertThat(slot.ordinal()).isEqualTo(ordinal++);
        assertThat(slot.firstElement()).isEqualTo(elements);
        assertThat(slot.firstByte()).isEqualTo(bytes);
        elements += slot.shard().elements();
        bytes += slot.shard().bytes();
        found.merge(slot.shard().id(), 1, Integer::sum);
        assertThat(layout.slot(slot.shard().tensor().name(), slot.shard().index())).isEqualTo(slot);
      }
    }
    // 3,000,000 / 262,144 is 11.4; the scalar, the empty tensor and the integers are one shard each
    assertThat(found).hasSize(12 + 1 + 1 + 1 + 2).allSatisfy((id, n) -> assertThat(n).isOne());
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 7})
  void aShardThatIsElsewhereOrNowhereHasNoPlace(int partitions) {
    int home = Shard.partition("embedding", 3, partitions);
    PartitionLayout layout = new PartitionLayout(TENSORS, (home + 1) % partitions, partitions);
    assertThat(layout.slot("embedding", 3)).isNull();
    assertThat(layout.slot("embedding", 12)).isNull();
    assertThat(layout.slot("embedding", -1)).isNull();
    assertThat(layout.slot("unknown", 0)).isNull();
  }

  @Test
  void theMemoryOfALayoutDoesNotGrowWithTheShards() {
    List<TensorInfo> huge =
        IntStream.range(0, 8)
            .mapToObj(i -> new TensorInfo("w" + i, DType.F32, List.of(1L << 38)))
            .toList();
    for (int i = 0; i < 1_000; i++) {
      PartitionLayout layout = new PartitionLayout(huge, 0, 1);
      Slot last = layout.slots().get(layout.slots().size() - 1);
      assertThat(layout.slots()).hasSize(8 << 20);
      assertThat(last.firstByte()).isEqualTo((8L << 40) - Shard.ELEMENTS * 4L);
      assertThat(layout.slot("w7", (1 << 20) - 1)).isEqualTo(last);
    }
  }
}
