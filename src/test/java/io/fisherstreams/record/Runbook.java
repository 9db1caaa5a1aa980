package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.common.header.Headers;

/** The table of reasons in {@code docs/operations.md}, which says what kind a reason has. */
public final class Runbook {
  private static final Pattern ROW = Pattern.compile("(?m)^\\| (`[^|]*`) \\| `([a-z_]+)` \\|");
  private static final Pattern QUOTED = Pattern.compile("`([^`]+)`");
  private static final List<Row> ROWS = read();

  /**
   * A part of a reason, and the kind of a reason that has it.
   *
   * @param part as the table has it, with the code's {@code %s} and {@code %d}
   */
  public record Row(String part, String kind) {
    private boolean isOf(String reason) {
      String pattern =
          Pattern.quote(part).replace("%d", "\\E-?[0-9]+\\Q").replace("%s", "\\E.*\\Q");
      return Pattern.compile(pattern, Pattern.DOTALL).matcher(reason).find();
    }
  }

  private Runbook() {}

  private static List<Row> read() {
    String document;
    try {
      document = Files.readString(Path.of("docs/operations.md"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    List<Row> rows = new ArrayList<>();
    Matcher row = ROW.matcher(document.substring(document.indexOf("| reason contains |")));
    while (row.find()) {
      String kind = row.group(2);
      QUOTED
          .matcher(row.group(1))
          .results()
          .forEach(part -> rows.add(new Row(part.group(1), kind)));
    }
    return rows;
  }

  /** All rows, one for each part. */
  public static List<Row> rows() {
    return ROWS;
  }

  /**
   * The reason of a dead letter. Fails when the letter has another kind than the table says: a
   * reason may have parts of several rows, and then has one of their kinds; not every reason is in
   * the table.
   */
  public static String checkedReason(Headers headers) {
    String reason = DeadLetters.reason(headers);
    String kind = DeadLetters.kind(headers).text();
    Set<String> kinds =
        ROWS.stream()
            .filter(row -> row.isOf(reason))
            .map(Row::kind)
            .collect(Collectors.toCollection(LinkedHashSet::new));
    if (!kinds.isEmpty()) {
      assertThat(kinds).as("kinds of: %s", reason).contains(kind);
    }
    return reason;
  }
}
