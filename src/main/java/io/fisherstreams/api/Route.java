package io.fisherstreams.api;

import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the server does with one method and path.
 *
 * @param method GET routes also answer HEAD
 * @param path as in {@code openapi.yaml}: a part in braces is a parameter
 * @param handler answers
 */
record Route(String method, String path, Handler handler) {
  /** Answers a request. */
  interface Handler {
    void handle(Request request) throws IOException;
  }

  /** Whether it changes the pool, and so needs the token. */
  boolean isChange() {
    return !method.equals("GET");
  }

  /** The parameters of a path that this route answers, decoded; empty for another path. */
  Optional<Map<String, String>> match(String rawPath) {
    List<String> own = parts(path);
    List<String> asked = parts(rawPath);
    if (own.size() != asked.size()) {
      return Optional.empty();
    }
    Map<String, String> parameters = new HashMap<>();
    for (int i = 0; i < own.size(); i++) {
      String part = own.get(i);
      if (part.startsWith("{")) {
        parameters.put(part.substring(1, part.length() - 1), decoded(asked.get(i)));
      } else if (!part.equals(asked.get(i))) {
        return Optional.empty();
      }
    }
    return Optional.of(parameters);
  }

  private static List<String> parts(String path) {
    return new ArrayList<>(List.of(path.split("/", -1)));
  }

  static String decoded(String part) {
    try {
      // A plus sign means a space in forms only.
      return URLDecoder.decode(part.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw new Problem(400, "the address has a % that is not followed by two hex digits");
    }
  }
}
