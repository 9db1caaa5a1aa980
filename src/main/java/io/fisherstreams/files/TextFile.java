package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads small text files of the user, which may begin with the byte-order mark of some editors. */
public final class TextFile {
  private static final String MARK = "\ufeff";

  private TextFile() {}

  /**
   * A file's text without a byte-order mark.
   *
   * @throws InvalidInput when it cannot be read or is not UTF-8
   */
  public static String read(Path file) {
    try {
      return withoutMark(Files.readString(file));
    } catch (CharacterCodingException e) {
      throw new InvalidInput(file + " is not UTF-8", e);
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }

  /** A text without a byte-order mark. */
  public static String withoutMark(String text) {
    return text.startsWith(MARK) ? text.substring(MARK.length()) : text;
  }
}
