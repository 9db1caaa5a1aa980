package io.fisherstreams.webhook;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * A receiver of release events.
 *
 * @param name names its consumer group; unique in its pool
 * @param url http or https, where events are posted to
 * @param secretEnv environment variable that holds the secret, or empty
 * @param secretFile file that holds the secret, or empty
 * @param timeout of one attempt
 * @param firstWait longest wait after the first failed attempt; it doubles with each further one
 * @param longestWait longest wait after any attempt, at least {@code firstWait}
 */
public record Webhook(
    String name,
    URI url,
    Optional<String> secretEnv,
    Optional<Path> secretFile,
    Duration timeout,
    Duration firstWait,
    Duration longestWait) {
  /** Default of {@code timeout}. */
  public static final Duration TIMEOUT = Duration.ofSeconds(10);

  /** Default of {@code firstWait}. */
  public static final Duration FIRST_WAIT = Duration.ofSeconds(1);

  /** Default of {@code longestWait}. */
  public static final Duration MAX_WAIT = Duration.ofMinutes(5);

  private static final int SHORTEST_SECRET = 16;

  /**
   * Reads the secret, without the white space at its end.
   *
   * @throws InvalidInput when it is missing or short
   */
  byte[] secret() {
    String where =
        secretEnv
            // somebody may have put the secret there
            .map(
                v -> "environment variable " + (v.matches("[A-Z][A-Z0-9_]*") ? v : "of secret_env"))
            .orElseGet(() -> secretFile.orElseThrow() + "");
    String secret;
    try {
      secret =
          secretEnv.isPresent()
              ? System.getenv(secretEnv.get())
              : Files.readString(secretFile.orElseThrow());
    } catch (IOException e) {
      throw new InvalidInput("webhook %s: cannot read its secret: %s".formatted(name, e), e);
    }
    if (secret == null) {
      throw new InvalidInput("webhook %s: %s is not set".formatted(name, where));
    }
    Secrets.hide(secret.stripTrailing());
    byte[] bytes = secret.stripTrailing().getBytes(StandardCharsets.UTF_8);
    if (bytes.length < SHORTEST_SECRET) {
      throw new InvalidInput(
          "webhook %s: the secret in %s has %d bytes, expected at least %d"
              .formatted(name, where, bytes.length, SHORTEST_SECRET));
    }
    return bytes;
  }
}
