package io.fisherstreams;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Something the user handed in cannot be used. The message is for the user: it names the file or
 * topic, the tensor, what was expected and what was found. The command line prints it without a
 * stack trace and exits with 1.
 */
public final class InvalidInput extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public InvalidInput(String message) {
    super(message);
  }

  public InvalidInput(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * A file that cannot be read, with the reason; Java's own message for a missing one is its name.
   */
  public static InvalidInput unreadable(Path file, IOException cause) {
    String reason =
        cause instanceof NoSuchFileException ? "there is no such file" : cause.getMessage();
    return new InvalidInput("%s: cannot be read: %s".formatted(file, reason), cause);
  }
}
