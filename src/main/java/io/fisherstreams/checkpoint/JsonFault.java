package io.fisherstreams.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.regex.Pattern;

/** What is wrong with a JSON text, in words for its writer. */
public final class JsonFault {
  private static final Pattern PLACE =
      Pattern.compile("\\[Source: .*?; (line: \\d+, column: \\d+)]");

  private JsonFault() {}

  /**
   * The parser's reason. Where that names another place of the text, as for a brace that is never
   * closed, Jackson adds what it knows of the source, which is nothing; this leaves line and
   * column.
   */
  public static String reason(JsonProcessingException fault) {
    return PLACE.matcher(fault.getOriginalMessage()).replaceAll("$1");
  }
}
