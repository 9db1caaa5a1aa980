package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/** SHA-256 of files, as {@code sha256sum} prints it. */
public final class Sha256 {
  private static final int BUFFER = 1 << 20;

  private Sha256() {}

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
    MessageDigest digest = digest();
    Path base = folder.toAbsolutePath().normalize();
    for (Path file : files) {
      Path name = base.relativize(file.toAbsolutePath().normalize());
      digest.update((of(file) + "  " + name + "\n").getBytes(StandardCharsets.UTF_8));
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static String of(Path file) {
    MessageDigest digest = digest();
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = Files.newInputStream(file)) {
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        digest.update(buffer, 0, read);
      }
    } catch (IOException e) {
      throw new InvalidInput("%s: cannot be read: %s".formatted(file, e.getMessage()), e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
