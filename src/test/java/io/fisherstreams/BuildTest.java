package io.fisherstreams;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BuildTest {
  @Test
  void textHasTheCommitWhenItIsKnown() {
    assertThat(new Build("0.1.0", "1a2b3c4d5e6f").text()).isEqualTo("0.1.0 (commit 1a2b3c4d5e6f)");
    assertThat(new Build("0.1.0", "").text()).isEqualTo("0.1.0");
  }

  @Test
  void theResourceHasBoth() {
    assertThat(Build.current().version()).isNotEmpty();
    assertThat(Build.current().commit()).isNotNull();
  }
}
