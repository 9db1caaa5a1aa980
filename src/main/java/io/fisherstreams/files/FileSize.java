package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Rejects files of the user that are too large to be what they should be. */
public final class FileSize {
  private FileSize() {}

  /** Rejects a file of more than {@code maxBytes} with {@link InvalidInput}. */
  public static void requireAtMost(Path file, long maxBytes) {
    try {
      long bytes = Files.size(file);
      if (bytes > maxBytes) {
        throw new InvalidInput(
            String.format(Locale.ROOT, "%s: %d bytes, expected at most %d", file, bytes, maxBytes));
      }
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }
}
