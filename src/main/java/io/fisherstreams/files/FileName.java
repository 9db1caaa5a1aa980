package io.fisherstreams.files;

/** Checks file names that come from other files or callers. */
public final class FileName {
  private FileName() {}

  /** Whether a name can only mean a file directly inside a folder. */
  public static boolean isPlain(String name) {
    return !name.isEmpty()
        && !name.equals(".")
        && !name.equals("..")
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == 0);
  }
}
