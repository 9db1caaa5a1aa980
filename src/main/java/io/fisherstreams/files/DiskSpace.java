package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Checks the space on a disk before a command begins to fill it. */
public final class DiskSpace {
  private static final double MIB = 1 << 20;

  private DiskSpace() {}

  /**
   * Rejects an output whose disk has too little space.
   *
   * @param output a file or folder that {@code --output} names; without its folder nothing is
   *     checked, because writing it says so
   * @param needed bytes that will be written
   */
  public static void requireForOutput(Path output, long needed) {
    Path folder = output.toAbsolutePath().normalize().getParent();
    if (folder != null && Files.isDirectory(folder)) {
      require(folder, needed, "the output", "--output");
    }
  }

  /** Whether two folders are on one disk. */
  public static boolean isShared(Path one, Path other) {
    return store(one).equals(store(other));
  }

  private static FileStore store(Path folder) {
    try {
      return Files.getFileStore(folder);
    } catch (IOException e) {
      throw InvalidInput.unreadable(folder, e);
    }
  }

  /**
   * Rejects a folder whose disk has too little space.
   *
   * @param needed bytes that will be written
   * @param what is written there
   * @param option how the user names another folder
   */
  public static void require(Path folder, long needed, String what, String option) {
    long free;
    try {
      free = store(folder).getUsableSpace();
    } catch (IOException e) {
      throw InvalidInput.unreadable(folder, e);
    }
    if (free < needed) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s has %.0f MiB of free space, but %s needs about %.0f MiB; make space, or name another folder with %s",
              folder,
              free / MIB,
              what,
              needed / MIB,
              option));
    }
  }
}
