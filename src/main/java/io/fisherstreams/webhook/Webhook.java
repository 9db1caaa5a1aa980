package io.fisherstreams.webhook;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * Somebody who is told of releases.
 *
 * @param name names the hook's place among the events; unique in its pool
 * @param url http or https, where events are posted to
 * @param secretEnv environment variable that holds the secret, or empty
 * @param secretFile file that holds the secret, or empty
 * @param timeout of one attempt
 * @param firstWait after a failed attempt; twice as long after each further one ...
 * @param longestWait ... and never longer than this
 */
public record Webhook(
    String name,
    URI url,
    Optional<String> secretEnv,
    Optional<Path> secretFile,
    Duration timeout,
    Duration firstWait,
    Duration longestWait) {
  /** One attempt, when nothing is said. */
  public static final Duration TIMEOUT = Duration.ofSeconds(10);

  /** The first wait, when nothing is said. */
  public static final Duration FIRST_WAIT = Duration.ofSeconds(1);

  /** The longest wait, when nothing is said. */
  public static final Duration MAX_WAIT = Duration.ofMinutes(5);

  private static final int SHORTEST_SECRET = 16;

  /**
   * Reads the secret, less line breaks at its end.
   *
   * @throws InvalidInput when it is missing or short
   */
  byte[] secret() {
    String where =
        secretEnv
            .map(v -> "environment variable " + v)
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
    byte[] bytes = secret.stripTrailing().getBytes(StandardCharsets.UTF_8);
    if (bytes.length < SHORTEST_SECRET) {
      throw new InvalidInput(
          "webhook %s: the secret in %s has %d bytes, expected at least %d"
              .formatted(name, where, bytes.length, SHORTEST_SECRET));
    }
    return bytes;
  }
}
