package io.fisherstreams.gradient.example;

import com.luciad.imageio.webp.WebPWrapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.NativeFolder;
import io.fisherstreams.files.TemporaryDirectory;

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
      NativeFolder.requireExecutable(folder.path(), "let TMPDIR name a folder on another disk");
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
}
