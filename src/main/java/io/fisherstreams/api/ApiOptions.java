package io.fisherstreams.api;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * How the HTTP API listens and whom it lets in.
 *
 * @param listen address or host name of this machine to listen on
 * @param port 0 for a free one
 * @param tokenFile file with the token for changes; without it, every change is rejected
 * @param hosts names under which clients reach the server, beside addresses and {@code localhost}
 * @param origins of other pages that may use it, such as {@code https://ops.example.org}
 * @param requestsPerSecond of one client address, on average
 * @param downloads that run at a time
 * @param streams of events that are open at a time
 */
public record ApiOptions(
    String listen,
    int port,
    Optional<Path> tokenFile,
    List<String> hosts,
    List<String> origins,
    int requestsPerSecond,
    int downloads,
    int streams) {
  private static final int MIN_TOKEN_LENGTH = 16;

  /** Copies the lists. */
  public ApiOptions {
    hosts = List.copyOf(hosts);
    origins = List.copyOf(origins);
  }

  /** What holds without a configuration. */
  public static ApiOptions standard() {
    return new ApiOptions("127.0.0.1", 8080, Optional.empty(), List.of(), List.of(), 50, 4, 64);
  }

  /** The same with another port. */
  public ApiOptions withPort(int other) {
    return new ApiOptions(
        listen, other, tokenFile, hosts, origins, requestsPerSecond, downloads, streams);
  }

  /**
   * Reads the token; it is masked in every message from now on.
   *
   * @return empty when none is configured
   * @throws InvalidInput when it cannot be read or is shorter than 16 characters
   */
  Optional<String> token() {
    if (tokenFile.isEmpty()) {
      return Optional.empty();
    }
    String text;
    try {
      text = Files.readString(tokenFile.get(), StandardCharsets.UTF_8).strip();
    } catch (IOException e) {
      throw InvalidInput.unreadable(tokenFile.get(), e);
    }
    Secrets.hide(text);
    if (text.length() < MIN_TOKEN_LENGTH) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: the token has %d characters, expected at least %d; make one with: openssl rand -hex 32",
              tokenFile.get(),
              text.length(),
              MIN_TOKEN_LENGTH));
    }
    return Optional.of(text);
  }
}
