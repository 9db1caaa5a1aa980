package io.fisherstreams.files;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;

/** Walks a folder from which others delete files meanwhile: what has vanished is passed over. */
public final class FileTree {
  private FileTree() {}

  /** What is done with a file or folder. */
  public interface Action {
    /**
     * Is called with a file or folder.
     *
     * @throws NoSuchFileException if it has vanished
     */
    void on(Path path) throws IOException;
  }

  /**
   * Walks a folder, depth first.
   *
   * @param onFile gets each file
   * @param onFolder gets each folder after what it holds, {@code root} last
   * @throws IOException if something that is still there cannot be read or acted on
   */
  public static void walk(Path root, Action onFile, Action onFolder) throws IOException {
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            return act(onFile, file);
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
            return passOver(e);
          }

          @Override
          public FileVisitResult postVisitDirectory(Path folder, IOException e) throws IOException {
            if (e != null) {
              passOver(e);
            }
            return act(onFolder, folder);
          }
        });
  }

  /** Removes a folder with all it holds, if it is there. */
  public static void delete(Path root) {
    try {
      walk(root, Files::delete, Files::delete);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove " + root, e);
    }
  }

  private static FileVisitResult act(Action action, Path path) throws IOException {
    try {
      action.on(path);
    } catch (NoSuchFileException e) {
      passOver(e);
    }
    return FileVisitResult.CONTINUE;
  }

  private static FileVisitResult passOver(IOException e) throws IOException {
    if (e instanceof NoSuchFileException) {
      return FileVisitResult.CONTINUE;
    }
    throw e;
  }
}
