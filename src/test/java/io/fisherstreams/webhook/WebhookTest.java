package io.fisherstreams.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WebhookTest {
  static final String SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

  @TempDir private Path directory;

  private static Webhook hook(Optional<String> variable, Optional<Path> file) {
    return new Webhook(
        "ops",
        URI.create("https://example.org/"),
        variable,
        file,
        Webhook.TIMEOUT,
        Webhook.FIRST_WAIT,
        Webhook.MAX_WAIT);
  }

  @Test
  void secretsAreSeparatedByWhiteSpaceAndNeverShown() throws IOException {
    String other = "whsec_" + "A".repeat(32);
    Path file = Files.writeString(directory.resolve("secret"), SECRET + "\r\n" + other + "\n");
    assertThat(hook(Optional.empty(), Optional.of(file)).secrets())
        .containsExactly(
            Base64.getDecoder().decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), new byte[24]);
    assertThat(Secrets.mask("it has " + SECRET + " and " + SECRET.substring(6)))
        .isEqualTo("it has *** and ***");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "a secret of old | of another form",
        "whsec_no-base64!no-base64!no-base64! | of another form",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ== | 22 bytes",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | of another form",
        "' ' | of another form"
      })
  void aSecretOfAnotherFormIsRejectedAndNotQuoted(String text, String found) throws IOException {
    Path file = Files.writeString(directory.resolve("secret"), text);
    assertThatThrownBy(() -> hook(Optional.empty(), Optional.of(file)).secrets())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll("webhook ops", file.toString(), found, "24 to 64 bytes")
        .hasMessageNotContaining(text.length() > 1 ? text : "MfKQ");
  }

  @Test
  void aMissingSecretIsRejected() {
    assertThatThrownBy(
            () -> hook(Optional.empty(), Optional.of(directory.resolve("none"))).secrets())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll("cannot read its secret", "there is no such file");
    assertThatThrownBy(() -> hook(Optional.of("NO_SUCH_VARIABLE"), Optional.empty()).secrets())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("environment variable NO_SUCH_VARIABLE is not set");
  }
}
