package io.fisherstreams.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

class WebhookSignatureTest {
  private static final byte[] SECRET =
      Base64.getDecoder().decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  private static final String ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  private static final byte[] BODY = "{\"test\": 2432232314}".getBytes(StandardCharsets.UTF_8);
  private static final String SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

  /** The example that the libraries of Standard Webhooks share. */
  @Test
  void isThatOfThePublishedExample() {
    assertThat(WebhookSignature.of(List.of(SECRET), ID, 1_614_265_330, BODY)).isEqualTo(SIGNATURE);
  }

  /**
   * The first is of {@code printf 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}' |
   * openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '%048d' 0) -binary | base64}.
   */
  @Test
  void severalSecretsGiveASignatureEach() {
    assertThat(WebhookSignature.of(List.of(new byte[24], SECRET), ID, 1_614_265_330, BODY))
        .isEqualTo("v1,woH/1mJtZGSMCmpFTxRYbStS24eLLD/oXIYr4PYyZ7g= " + SIGNATURE);
  }
}
