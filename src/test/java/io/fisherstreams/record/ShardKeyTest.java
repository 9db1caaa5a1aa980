package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardKeyTest {
  private static Shard shard(String parameter, int index) {
    long elements = (index + 1L) * Shard.ELEMENTS;
    return new Shard(new TensorInfo(parameter, DType.F32, List.of(elements)), index);
  }

  @Test
  void aWrittenKeyIsReadAsItself() {
    ModelVersion cars = new ModelVersion("zoo/cars", 3);
    ShardKey shard = ShardKey.of(cars, shard("layer.weight", 12));
    ShardKey batch = ShardKey.of(cars, shard("layer.weight", 12), "trainer-1", -17);
    assertThat(ShardKey.readings("layer.weight[12] zoo/cars@3")).containsExactly(shard);
    assertThat(ShardKey.readings("layer.weight[12] zoo/cars@3 trainer-1#-17"))
        .containsExactly(batch);
    assertThat(shard).hasToString("layer.weight[12] zoo/cars@3");
    assertThat(batch).hasToString("layer.weight[12] zoo/cars@3 trainer-1#-17");
  }

  @Test
  void theKeyOfARecordIsThatOfItsShard() {
    ModelVersion cars = new ModelVersion("zoo/cars", 3);
    ByteBuffer none = ByteBuffer.allocate(0);
    assertThat(ShardKey.of(new CheckpointShard("zoo/cars", 3L, "layer.weight", 12, none)))
        .isEqualTo(ShardKey.of(cars, shard("layer.weight", 12)));
    GradientBatch batch =
        new GradientBatch(
            "zoo/cars", 3L, "layer.weight", 12, "t", -17L, 1L, Encoding.MEAN_SQUARE, none, none);
    assertThat(ShardKey.of(batch))
        .isEqualTo(ShardKey.of(cars, shard("layer.weight", 12), "t", -17));
  }

  @Test
  void namesThatLookLikeAKeyAreAmongTheReadings() {
    ModelVersion a = new ModelVersion("a", 1);
    ShardKey shard = ShardKey.of(a, shard("w[0] b@2 s#1", 3));
    ShardKey source = ShardKey.of(a, shard("w", 3), " [0] b@2 #s#", 1);
    assertThat(ShardKey.readings(shard.toString())).contains(shard);
    assertThat(ShardKey.readings(source.toString())).contains(source);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "garbage",
        "w[0]",
        "w[0] a",
        "w[00] a@1",
        "w[0] a@1 ",
        "w[0] a@1 s",
        "w[0] a@1 s#",
        "w[0] a@1 s#x",
        "w[0] a@1x",
        "w[0] a b@1",
        "w[9999999999] a@1",
        "w[0] a@99999999999999999999",
        "w[0] a@1 s#99999999999999999999"
      })
  void anythingElseNamesNothing(String text) {
    assertThat(ShardKey.readings(text)).isEmpty();
  }
}
