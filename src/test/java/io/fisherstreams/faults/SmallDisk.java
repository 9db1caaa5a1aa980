package io.fisherstreams.faults;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file system of a few MiB in memory, which takes the right to mount. */
public record SmallDisk(Path directory) implements AutoCloseable {
  private static final String SIZE = "6m";

  /**
   * Mounts it.
   *
   * @throws IOException when the system does not let us, with its reason
   */
  public static SmallDisk mount(Path directory) throws IOException {
    Files.createDirectories(directory);
    run("mount", "-t", "tmpfs", "-o", "size=" + SIZE, "tmpfs", directory.toString());
    return new SmallDisk(directory);
  }

  /** Writes until nothing more fits. */
  public void fill() throws IOException {
    byte[] block = new byte[4096];
    try (OutputStream out = Files.newOutputStream(directory.resolve("filled"))) {
      while (Files.getFileStore(directory).getUsableSpace() > 0) {
        out.write(block);
      }
    }
  }

  private static void run(String... command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    try {
      if (process.waitFor() != 0) {
        throw new IOException(said);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    run("umount", directory.toString());
  }
}
