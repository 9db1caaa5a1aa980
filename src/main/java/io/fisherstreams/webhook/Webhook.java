package io.fisherstreams.webhook;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A receiver of release events.
 *
 * @param name names its consumer group; unique in its pool
 * @param url http or https, where events are posted to
 * @param secretEnv environment variable that holds the secrets, or empty
 * @param secretFile file that holds the secrets, or empty
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

  private static final String SECRET_PREFIX = "whsec_";
  private static final int MIN_SECRET_BYTES = 24;
  private static final int MAX_SECRET_BYTES = 64;

  /**
   * Reads the secrets: one, or several separated by white space while receivers change to another.
   * They are masked in every message from now on.
   *
   * @throws InvalidInput when there is none, or one is not {@code whsec_} and the base64 of 24 to
   *     64 bytes
   */
  List<byte[]> secrets() {
    String text = secretText();
    List<byte[]> secrets = new ArrayList<>();
    for (String secret : text.strip().split("\\s+")) {
      Secrets.hide(secret);
      secrets.add(secret(secret));
    }
    return secrets;
  }

  /** Where the secrets are, for people. */
  public String secretPlace() {
    return secretEnv
        // somebody may have put the secret there
        .map(v -> "environment variable " + (v.matches("[A-Z][A-Z0-9_]*") ? v : "of secret_env"))
        .orElseGet(() -> secretFile.orElseThrow().toString());
  }

  private String secretText() {
    String text;
    try {
      text =
          secretEnv.isPresent()
              ? System.getenv(secretEnv.get())
              : Files.readString(secretFile.orElseThrow());
    } catch (IOException e) {
      throw new InvalidInput(
          "webhook %s: cannot read its secret: %s: %s"
              .formatted(name, secretPlace(), InvalidInput.reason(e)),
          e);
    }
    if (text == null) {
      throw new InvalidInput("webhook %s: %s is not set".formatted(name, secretPlace()));
    }
    return text;
  }

  private byte[] secret(String text) {
    int found = 0;
    if (text.startsWith(SECRET_PREFIX)) {
      String base64 = text.substring(SECRET_PREFIX.length());
      Secrets.hide(base64);
      try {
        byte[] secret = Base64.getDecoder().decode(base64);
        found = secret.length;
        if (found >= MIN_SECRET_BYTES && found <= MAX_SECRET_BYTES) {
          return secret;
        }
      } catch (IllegalArgumentException e) {
        // rejected below: a message must not quote it
      }
    }
    throw new InvalidInput(
        String.format(
            Locale.ROOT,
            ("webhook %s: the secret in %s is %s, expected whsec_ and the base64 of %d to %d bytes; make"
                + " one with: echo whsec_$(openssl rand -base64 32)"),
            name,
            secretPlace(),
            found == 0 ? "of another form" : found + " bytes",
            MIN_SECRET_BYTES,
            MAX_SECRET_BYTES));
  }
}
