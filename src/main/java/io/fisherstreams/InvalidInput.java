package io.fisherstreams;

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
}
