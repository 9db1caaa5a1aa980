package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ModelConfigTest {

  @Test
  void aClassIsNamedByEitherOfTheTwoMaps() {
    ModelConfig both =
        ModelConfig.parse(
            "c", "{\"label2id\": {\"cat\": 2}, \"id2label\": {\"2\": \"cat\", \"0\": \"dog\"}}");
    assertThat(both.classNamed("cat")).contains(2L);
    assertThat(both.classNamed("dog")).contains(0L);
    assertThat(both.classNamed("bird")).isEmpty();
    assertThat(ModelConfig.parse("c", "{}").classNamed("cat")).isEmpty();
  }
}
