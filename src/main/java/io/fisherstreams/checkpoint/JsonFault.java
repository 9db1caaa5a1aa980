package io.fisherstreams.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.regex.Pattern;

/** Explains an error in a JSON text to the person who wrote it. */
public final class JsonFault {
  private static final Pattern POSITION =
      Pattern.compile("\\[Source: .*?; (line: \\d+, column: \\d+)]");

  private JsonFault() {}

  /**
   * The parser's reason. When the reason names another position of the text, for example of a brace
   * that is never closed, Jackson adds a description of the source, which says nothing here. Only
   * line and column are kept.
   */
  public static String reason(JsonProcessingException fault) {
    return POSITION.matcher(fault.getOriginalMessage()).replaceAll("$1");
  }
}
