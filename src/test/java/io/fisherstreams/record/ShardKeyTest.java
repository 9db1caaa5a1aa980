package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardKeyTest {
  @Test
  void aWrittenKeyIsReadAsItself() {
    ShardKey shard = ShardKey.of("zoo/cars", 3, "layer.weight", 12);
    ShardKey batch = ShardKey.of("zoo/cars", 3, "layer.weight", 12, "trainer-1", -17);
    assertThat(ShardKey.readings("layer.weight[12] zoo/cars@3")).containsExactly(shard);
    assertThat(ShardKey.readings("layer.weight[12] zoo/cars@3 trainer-1#-17"))
        .containsExactly(batch);
    assertThat(shard).hasToString("layer.weight[12] zoo/cars@3");
    assertThat(batch).hasToString("layer.weight[12] zoo/cars@3 trainer-1#-17");
  }

  @Test
  void namesThatLookLikeAKeyAreAmongTheReadings() {
    ShardKey shard = ShardKey.of("a", 1, "w[0] b@2 s#1", 3);
    ShardKey source = ShardKey.of("a", 1, "w", 3, " [0] b@2 #s#", 1);
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
