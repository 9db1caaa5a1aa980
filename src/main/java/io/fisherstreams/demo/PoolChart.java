package io.fisherstreams.demo;

import java.util.List;
import java.util.Locale;

/**
 * Which models each release merged, and each one's share, drawn as SVG: a row a model, a column a
 * release.
 */
record PoolChart(List<PoolChange> changes) {
  private static final double NAMES = 110;
  private static final double COLUMN = 124;
  private static final double ROW = 34;
  private static final double HEAD = 44;

  /** The drawing. */
  String svg() {
    int rows = DigitTask.values().length;
    StringBuilder svg = new StringBuilder();
    svg.append(
        format(
            "<svg viewBox=\"0 0 %.0f %.0f\" class=\"wide\" role=\"img\">"
                + "<title>Models and shares by release</title>%n",
            NAMES + COLUMN * changes.size(), HEAD + ROW * rows));
    for (int column = 0; column < changes.size(); column++) {
      PoolChange change = changes.get(column);
      double centre = x(column) + COLUMN / 2;
      text(svg, "strong", centre, 14, "middle", "release " + change.release());
      text(svg, "", centre, 31, "middle", DemoReport.event(change));
    }
    int row = 0;
    for (DigitTask task : DigitTask.values()) {
      double y = HEAD + ROW * row;
      text(svg, "name", 0, y + ROW / 2 + 4, "start", task.model());
      for (int column = 0; column < changes.size(); column++) {
        if (changes.get(column).holds(task)) {
          cell(svg, column, y, changes.get(column).shares().get(task.model()));
        }
      }
      row++;
    }
    return svg.append("</svg>\n").toString();
  }

  private static void cell(StringBuilder svg, int column, double y, double share) {
    rect(svg, "band", column, y, COLUMN - 3);
    rect(svg, "share", column, y, (COLUMN - 3) * share);
    text(
        svg,
        "name",
        x(column) + 8,
        y + ROW / 2 + 4,
        "start",
        String.format(Locale.ROOT, "%.1f %%", 100 * share));
  }

  private static void rect(StringBuilder svg, String style, int column, double y, double width) {
    svg.append(
        format(
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"3\"/>%n",
            style, x(column), y + 2, width, ROW - 4));
  }

  private static void text(
      StringBuilder svg, String style, double x, double y, String anchor, String text) {
    svg.append(
        format(
            "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
            style, x, y, anchor, Html.text(text)));
  }

  private static double x(int column) {
    return NAMES + COLUMN * column;
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
