package io.fisherstreams.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WebhookTest {
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
  void theSecretIsTheFilesTextLessItsLastLineBreak() throws IOException {
    Path file = Files.writeString(directory.resolve("secret"), "sixteen  letters\r\n");
    assertThat(hook(Optional.empty(), Optional.of(file)).secret())
        .isEqualTo("sixteen  letters".getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void aMissingOrShortSecretIsRejected() throws IOException {
    Path file = Files.writeString(directory.resolve("secret"), "fifteen letters\n");
    assertThatThrownBy(() -> hook(Optional.empty(), Optional.of(file)).secret())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll("webhook ops", file.toString(), "15 bytes, expected at least 16");
    assertThatThrownBy(
            () -> hook(Optional.empty(), Optional.of(directory.resolve("none"))).secret())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("cannot read its secret");
    assertThatThrownBy(() -> hook(Optional.of("NO_SUCH_VARIABLE"), Optional.empty()).secret())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("environment variable NO_SUCH_VARIABLE is not set");
  }
}
