package io.fisherstreams.text;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.regex.Pattern;

/** Text of a record for people: whoever wrote it must not control their terminal. */
public final class PrintableText {
  private static final Pattern CONTROL = Pattern.compile("\\p{Cc}|\\p{Cf}");

  private PrintableText() {}

  /** A text with a question mark for each control character. */
  public static String of(String text) {
    return CONTROL.matcher(text).replaceAll("?");
  }

  /** A record's key as text; in hex when it is none. */
  public static String key(byte[] key) {
    if (key == null) {
      return "-";
    }
    try {
      return of(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(key)).toString());
    } catch (CharacterCodingException e) {
      return "0x" + HexFormat.of().formatHex(key);
    }
  }
}
