package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** A folder that native libraries are unpacked into and loaded from. */
public final class NativeFolder {
  private static final FileAttribute<Set<PosixFilePermission>> EXECUTABLE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  private NativeFolder() {}

  /**
   * Rejects a folder on a disk that is mounted noexec. The loaders of native libraries would say so
   * in other words, or print a stack trace.
   *
   * @param remedy how the user names another folder, for the message
   * @throws InvalidInput when nothing can be loaded from the folder, or it cannot be written to
   */
  public static void requireExecutable(Path folder, String remedy) {
    try {
      Path file = Files.createTempFile(folder, "executable", null, EXECUTABLE);
      boolean executable = Files.isExecutable(file);
      Files.delete(file);
      if (!executable) {
        throw new InvalidInput(
            "%s: native libraries cannot be loaded from there, since its disk is mounted noexec; %s"
                .formatted(folder, remedy));
      }
    } catch (IOException e) {
      throw new InvalidInput("%s: %s".formatted(folder, InvalidInput.reason(e)), e);
    }
  }
}
