package io.fisherstreams.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class WebhookSignatureTest {
  /**
   * {@code printf '1700000000.{"event":"release.complete"}' | openssl dgst -sha256 -hmac
   * 0123456789abcdef}
   */
  @Test
  void isWhatOpensslComputes() {
    assertThat(
            WebhookSignature.of(
                "0123456789abcdef".getBytes(StandardCharsets.UTF_8),
                1_700_000_000,
                "{\"event\":\"release.complete\"}".getBytes(StandardCharsets.UTF_8)))
        .isEqualTo(
            "t=1700000000,v1=3e6fb2f2d8e85bd6fcbad9b2fb0de01424da2da8ccd23e96774964a874bb64ca");
  }
}
