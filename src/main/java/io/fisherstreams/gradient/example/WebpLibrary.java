package io.fisherstreams.gradient.example;

import com.luciad.imageio.webp.WebPWrapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.TemporaryDirectory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * libwebp, which Pillow uses too: a decoder in Java gives other pixels. It is unpacked when the
 * first WebP file is read, into a folder that is removed once the library is loaded.
 */
final class WebpLibrary {
  private static boolean loaded;

  private WebpLibrary() {}

  /**
   * Loads the library once.
   *
   * @throws InvalidInput when the folder for temporary files is mounted noexec, or there is no
   *     library for this platform
   */
  static synchronized void load() {
    if (loaded) {
      return;
    }
    try (TemporaryDirectory folder = TemporaryDirectory.create(null)) {
      requireExecutable(folder.path());
      System.setProperty("com.luciad.imageio.webp.tmpdir", folder.path().toString());
      WebPWrapper.loadNativeLibrary();
      loaded = true;
    } catch (LinkageError | IllegalStateException e) {
      throw new InvalidInput(
          "WebP needs a native library that cannot be loaded on this platform; convert the files to"
              + " PNG, which keeps all pixels",
          e);
    }
  }

  /** The library's own loader would print a stack trace. */
  private static void requireExecutable(Path folder) {
    try {
      Path file =
          Files.createFile(
              folder.resolve("executable"),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      if (!Files.isExecutable(file)) {
        throw new InvalidInput(
            "WebP needs a native library, which cannot be loaded from %s: the disk is mounted noexec; let TMPDIR name a folder on another disk"
                .formatted(folder.getParent()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
