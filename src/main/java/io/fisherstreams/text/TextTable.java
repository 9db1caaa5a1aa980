package io.fisherstreams.text;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** A table of plain text. Each column is as wide as its widest cell. A line ends without spaces. */
public final class TextTable {
  private static final int STANDARD_GAP = 2;

  private record Column(boolean isRight, int minWidth) {
    String pad(String cell, int width) {
      String spaces = " ".repeat(Math.max(0, width - cell.length()));
      return isRight ? spaces + cell : cell + spaces;
    }
  }

  /** The cells of a row, or one text across all columns. */
  private record Line(List<String> cells, String text) {}

  private final int gap;
  private final List<Column> columns = new ArrayList<>();
  private final List<Line> lines = new ArrayList<>();

  /** A table with two spaces between columns. */
  public TextTable() {
    this(STANDARD_GAP);
  }

  /** A table with {@code gap} spaces between columns. */
  public TextTable(int gap) {
    this.gap = gap;
  }

  /** Adds a column whose cells are aligned left. */
  public TextTable left() {
    return left(0);
  }

  /** Adds a column of at least {@code minWidth} characters whose cells are aligned left. */
  public TextTable left(int minWidth) {
    columns.add(new Column(false, minWidth));
    return this;
  }

  /** Adds a column whose cells are aligned right. */
  public TextTable right() {
    return right(0);
  }

  /** Adds a column of at least {@code minWidth} characters whose cells are aligned right. */
  public TextTable right(int minWidth) {
    columns.add(new Column(true, minWidth));
    return this;
  }

  /** Adds a row; the header is one too. */
  public TextTable row(Object... cells) {
    return row(List.of(cells));
  }

  /**
   * Adds a row.
   *
   * @throws IllegalArgumentException unless there is one cell a column
   */
  public TextTable row(List<?> cells) {
    if (cells.size() != columns.size()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "a row has %d cells, expected %d", cells.size(), columns.size()));
    }
    lines.add(new Line(cells.stream().map(String::valueOf).toList(), null));
    return this;
  }

  /** Adds a line that no column aligns. */
  public TextTable line(String text) {
    lines.add(new Line(null, text));
    return this;
  }

  /** Adds a line of dashes as wide as the table. */
  public TextTable rule() {
    lines.add(new Line(null, null));
    return this;
  }

  /** Prints the table and flushes. */
  public void print(PrintWriter out) {
    out.print(this);
    out.flush();
  }

  /** All lines, each with its line break. */
  @Override
  public String toString() {
    List<Integer> widths = new ArrayList<>();
    for (int i = 0; i < columns.size(); i++) {
      int column = i;
      widths.add(
          lines.stream()
              .filter(line -> line.cells != null)
              .mapToInt(line -> line.cells.get(column).length())
              .reduce(columns.get(i).minWidth, Math::max));
    }
    return lines.stream()
        .map(line -> text(line, widths).stripTrailing() + System.lineSeparator())
        .collect(Collectors.joining());
  }

  private String text(Line line, List<Integer> widths) {
    if (line.cells == null) {
      int gaps = gap * (columns.size() - 1);
      return line.text != null
          ? line.text
          : "-".repeat(gaps + widths.stream().mapToInt(Integer::intValue).sum());
    }
    List<String> padded = new ArrayList<>();
    for (int i = 0; i < columns.size(); i++) {
      padded.add(columns.get(i).pad(line.cells.get(i), widths.get(i)));
    }
    return String.join(" ".repeat(gap), padded);
  }
}
