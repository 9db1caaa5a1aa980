package io.fisherstreams;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * An input of the user cannot be used. The message is for the user: it names the file or topic, the
 * tensor, the expected and the found value. The command line prints it without a stack trace and
 * exits with 1.
 */
public class InvalidInput extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public InvalidInput(String message) {
    super(message);
  }

  public InvalidInput(String message, Throwable cause) {
    super(message, cause);
  }

  /** A file that cannot be read, with the reason. */
  public static InvalidInput unreadable(Path file, IOException cause) {
    return new InvalidInput("%s: cannot be read: %s".formatted(file, reason(cause)), cause);
  }

  /** A file that cannot be written, with the reason. */
  public static InvalidInput unwritable(Path file, IOException cause) {
    String reason =
        cause instanceof NoSuchFileException ? "its folder does not exist" : reason(cause);
    return new InvalidInput("%s cannot be written: %s".formatted(file, reason), cause);
  }

  /**
   * Why a file cannot be used. The messages of Java's own exceptions for these reasons are only the
   * file's name.
   */
  public static String reason(IOException cause) {
    if (cause instanceof NoSuchFileException) {
      return "there is no such file";
    }
    if (cause instanceof FileAlreadyExistsException) {
      return "it exists already";
    }
    if (cause instanceof DirectoryNotEmptyException) {
      return "the folder is not empty";
    }
    return cause instanceof AccessDeniedException ? "permission denied" : cause.getMessage();
  }
}
