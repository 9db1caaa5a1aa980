package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file that a command writes at its end, which may be hours away. */
public final class OutputFile {
  private OutputFile() {}

  /**
   * Rejects a file that could not be written.
   *
   * @param option that names it
   * @param file null when the user wants none
   */
  public static void requireWritable(String option, Path file) {
    if (file == null) {
      return;
    }
    Path folder = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file) || folder == null || !Files.isWritable(folder)) {
      throw new InvalidInput(
          "%s %s: expected a file in a folder that exists".formatted(option, file));
    }
  }
}
