package io.fisherstreams.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Small text files that appear whole or not at all. */
public final class TextFile {
  private TextFile() {}

  /**
   * Writes a file, in place of one that is there.
   *
   * @throws UncheckedIOException naming the file when it cannot be written; an older one is then as
   *     before
   */
  public static void write(Path file, String content) {
    Path temporary = file.resolveSibling("." + file.getFileName() + ".tmp");
    try {
      Files.writeString(temporary, content);
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new UncheckedIOException(file + " cannot be written: " + e.getMessage(), e);
    }
  }
}
