package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.InvalidInput;
import java.nio.file.Path;

/** The kind of examples in a JSON Lines file. */
public enum LineKind {
  TEXT,
  IMAGE;

  /**
   * Looks at a file's first example.
   *
   * @throws InvalidInput when there is none, or it has none of {@code text}, {@code prompt}, {@code
   *     completion}, {@code messages} and {@code image}
   */
  public static LineKind of(Path path) {
    try (JsonLines lines = JsonLines.open(path)) {
      if (lines.count() == 0) {
        throw new InvalidInput("%s: contains no examples".formatted(path));
      }
      JsonNode first = lines.line(0);
      if (first.has("image")) {
        return IMAGE;
      }
      if (first.has("text")
          || first.has("prompt")
          || first.has("completion")
          || first.has("messages")) {
        return TEXT;
      }
      throw lines.invalid(0, "expected text, prompt and completion, messages, or image");
    }
  }
}
