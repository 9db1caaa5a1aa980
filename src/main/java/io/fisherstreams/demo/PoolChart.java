package io.fisherstreams.demo;

import java.util.List;
import java.util.Locale;

/** The models of each release with their shares, as SVG: one row a model, one column a release. */
record PoolChart(List<PoolChange> changes) {
  private static final double NAMES = 110;
  private static final double COLUMN = 124;
  private static final double ROW = 34;
  private static final double HEAD = 44;

  /** The drawing. */
  String svg() {
    SvgWriter svg =
        new SvgWriter(
            "wide",
            NAMES + COLUMN * changes.size(),
            HEAD + ROW * DigitTask.values().length,
            "Models and shares by release");
    for (int column = 0; column < changes.size(); column++) {
      PoolChange change = changes.get(column);
      double centre = x(column) + COLUMN / 2;
      text(svg, "strong", centre, 14, "middle", "release " + change.release());
      text(svg, "event", centre, 31, "middle", change.event());
    }
    for (DigitTask task : DigitTask.values()) {
      double y = HEAD + ROW * task.ordinal();
      text(svg, "name", 0, y + ROW / 2 + 4, "start", task.model());
      for (int column = 0; column < changes.size(); column++) {
        if (changes.get(column).holds(task)) {
          cell(svg, column, y, changes.get(column).shares().get(task.model()));
        }
      }
    }
    return svg.svg();
  }

  private static void cell(SvgWriter svg, int column, double y, double share) {
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

  private static void rect(SvgWriter svg, String style, int column, double y, double width) {
    svg.empty(
        "rect", "class", style, "x", x(column), "y", y + 2, "width", width, "height", ROW - 4, "rx",
        3);
  }

  private static void text(
      SvgWriter svg, String style, double x, double y, String anchor, String text) {
    svg.element("text", text, "class", style, "x", x, "y", y, "text-anchor", anchor);
  }

  private static double x(int column) {
    return NAMES + COLUMN * column;
  }
}
