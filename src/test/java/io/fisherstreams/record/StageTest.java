package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class StageTest {
  @Test
  void namesAreTheOnesThatBrokersAndStateDirectoriesHold() {
    assertThat(Stream.of(Stage.values()).map(Stage::text))
        .containsExactly("gradient", "merge", "coordinator", "gate", "webhooks", "api");
    assertThat(Stage.MERGE.group("pool")).isEqualTo("pool-merge");
    assertThat(Stage.webhookGroup("pool", "ops")).isEqualTo("pool-webhook-ops");
    assertThat(Stage.webhook("ops")).isEqualTo("webhook-ops");
  }

  @Test
  void knowsItsGroupsAndNoOthers() {
    assertThat(Stage.GATE.isGroup("pool", "pool-gate")).isTrue();
    assertThat(Stage.GATE.isGroup("pool", "pool-gate-2")).isFalse();
    assertThat(Stage.GATE.isGroup("pool", "another-gate")).isFalse();
    assertThat(Stage.WEBHOOKS.isGroup("pool", "pool-webhook-ops")).isTrue();
    assertThat(Stage.WEBHOOKS.isGroup("pool", "pool-webhooks")).isFalse();
    assertThat(Stage.WEBHOOKS.isGroup("pool", "another-webhook-ops")).isFalse();
  }
}
