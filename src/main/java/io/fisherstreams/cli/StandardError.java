package io.fisherstreams.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.nio.charset.Charset;

/**
 * Standard error at another file descriptor: {@code bin/fisher-streams} passes it there, because
 * Java itself writes a warning to descriptor 2 before the program starts.
 */
final class StandardError {
  private static final String PROPERTY = "fisherstreams.stderr";

  private StandardError() {}

  /** Lets {@link System#err} write to the descriptor that the launcher names, if it names one. */
  static void follow() {
    Integer number = Integer.getInteger(PROPERTY);
    if (number == null) {
      return;
    }
    try {
      Constructor<FileDescriptor> ofNumber = FileDescriptor.class.getDeclaredConstructor(int.class);
      ofNumber.setAccessible(true);
      System.setErr(
          new PrintStream(
              new FileOutputStream(ofNumber.newInstance(number)), true, Charset.defaultCharset()));
    } catch (ReflectiveOperationException | RuntimeException e) {
      return; // another Java: descriptor 2 leads to the user as well
    }
  }
}
