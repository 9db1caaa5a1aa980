package io.fisherstreams.files;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** SHA-256 of texts and files, as {@code sha256sum} prints it. */
public final class Sha256 {
  private static final int BUFFER = 1 << 20;

  private Sha256() {}

  /** A hash under way; its result prints as 64 hex digits. */
  public static Hasher hasher() {
    return Hashing.sha256().newHasher();
  }

  /** The 32 bytes of the hash of a text's UTF-8. */
  public static byte[] of(String text) {
    return Hashing.sha256().hashString(text, StandardCharsets.UTF_8).asBytes();
  }

  /**
   * The hash of one file; of several, the hash of the lines that {@code sha256sum} would print for
   * them, with their names relative to a folder.
   *
   * @throws InvalidInput when one cannot be read
   */
  public static String of(Path folder, List<Path> files) {
    if (files.size() == 1) {
      return of(files.get(0));
    }
    Hasher hasher = hasher();
    Path base = folder.toAbsolutePath().normalize();
    for (Path file : files) {
      Path name = base.relativize(file.toAbsolutePath().normalize());
      hasher.putString(of(file) + "  " + name + "\n", StandardCharsets.UTF_8);
    }
    return hasher.hash().toString();
  }

  private static String of(Path file) {
    Hasher hasher = hasher();
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = Files.newInputStream(file)) {
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        hasher.putBytes(buffer, 0, read);
      }
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
    return hasher.hash().toString();
  }
}
