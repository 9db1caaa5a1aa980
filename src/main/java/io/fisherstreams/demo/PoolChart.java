package io.fisherstreams.demo;

import io.fisherstreams.text.SvgWriter;
import java.util.List;
import java.util.Locale;

/**
 * The models of each release with their shares, as SVG: one row a model, one column a release.
 *
 * @param changes the releases
 * @param size the drawing's proportions
 */
record PoolChart(List<PoolChange> changes, Size size) {
  /** Proportions of a drawing, in its own units. */
  enum Size {
    /** As wide as the page; the head of a column says what changed. */
    PAGE("wide", 110, 124, 44, 8, "release %d", "%.1f %%"),
    /** As wide as a phone's page: numbers alone. */
    PHONE("phone", 84, 34, 22, 5, "%d", "%.0f");

    private final String style;
    private final double names;
    private final double column;
    private final double head;
    private final double indent;
    private final String release;
    private final String share;

    Size(
        String style,
        double names,
        double column,
        double head,
        double indent,
        String release,
        String share) {
      this.style = style;
      this.names = names;
      this.column = column;
      this.head = head;
      this.indent = indent;
      this.release = release;
      this.share = share;
    }
  }

  private static final double ROW = 34;

  /** The drawing. */
  String svg() {
    SvgWriter svg =
        new SvgWriter(
            size.style,
            size.names + size.column * changes.size(),
            size.head + ROW * DigitTask.values().length,
            "Models and shares by release");
    for (int column = 0; column < changes.size(); column++) {
      PoolChange change = changes.get(column);
      double centre = x(column) + size.column / 2;
      text(svg, "strong", centre, "middle", 14, format(size.release, change.release()));
      if (size == Size.PAGE) {
        text(svg, "event", centre, "middle", 31, change.event());
      }
    }
    int row = 0;
    for (DigitTask task : DigitTask.values()) {
      double y = size.head + ROW * row;
      text(svg, "name", 0, "start", y + ROW / 2 + 4, task.model());
      for (int column = 0; column < changes.size(); column++) {
        if (changes.get(column).holds(task)) {
          cell(svg, column, y, changes.get(column).shares().get(task.model()));
        }
      }
      row++;
    }
    return svg.svg();
  }

  private void cell(SvgWriter svg, int column, double y, double share) {
    double width = size.column - 3;
    rect(svg, "band", column, y, width);
    rect(svg, "share", column, y, width * share);
    double x = x(column) + size.indent;
    text(svg, "name", x, "start", y + ROW / 2 + 4, format(size.share, 100 * share));
  }

  private void rect(SvgWriter svg, String style, int column, double y, double width) {
    svg.empty(
        "rect", "class", style, "x", x(column), "y", y + 2, "width", width, "height", ROW - 4, "rx",
        3);
  }

  private static void text(
      SvgWriter svg, String style, double x, String anchor, double y, String text) {
    svg.element("text", text, "class", style, "x", x, "y", y, "text-anchor", anchor);
  }

  private double x(int column) {
    return size.names + size.column * column;
  }

  private static String format(String pattern, Object value) {
    return String.format(Locale.ROOT, pattern, value);
  }
}
