package io.fisherstreams.local;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.NativeFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.rocksdb.NativeLibraryLoader;

/** Loads the native library of the stages' stores before anything is started. */
public final class NativeLibraries {
  private NativeLibraries() {}

  /**
   * Unpacks RocksDB's library into a folder and loads it.
   *
   * @param folder where programs may run
   * @param remedy how the user names another folder, for the message
   * @throws InvalidInput when it cannot be loaded, for example from a disk that is mounted noexec
   */
  public static void load(Path folder, String remedy) {
    try {
      Files.createDirectories(folder);
      NativeFolder.requireExecutable(folder, remedy);
      NativeLibraryLoader.getInstance().loadLibrary(folder.toString());
    } catch (InvalidInput e) {
      throw e;
    } catch (IOException | LinkageError | RuntimeException e) {
      throw new InvalidInput(
          "native libraries cannot be loaded from %s: %s".formatted(folder, e.getMessage()), e);
    }
  }
}
