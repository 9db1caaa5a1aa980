package io.fisherstreams.demo;

import io.fisherstreams.text.SvgWriter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A line chart of accuracies over the changes of a pool, as SVG. Colours come from the page's style
 * sheet, by the classes of the series.
 *
 * @param ticks the label under each point; one for each value of a series
 * @param series the lines; a later one is drawn over an earlier one
 * @param shaded whether the strip behind each point is shaded; one for each point, or empty
 * @param size the drawing's proportions
 */
record LineChart(List<String> ticks, List<Series> series, List<Boolean> shaded, Size size) {
  /**
   * One line.
   *
   * @param name for the reader
   * @param style class in the style sheet
   * @param values from 0 to 1
   */
  record Series(String name, String style, List<Double> values) {}

  /** Proportions of a drawing, in its own units. */
  enum Size {
    /** As wide as the page, each line named at its end. */
    PAGE("wide", 1000, 330, 14, 34, 116, 30, 20),
    /** As wide as a phone's page, each line with its last value at its end. */
    PHONE("phone", 320, 260, 14, 26, 36, 26, 20),
    /** A quarter of the page, unnamed lines. */
    PANEL("panel", 250, 150, 8, 30, 6, 22, 50);

    private final String style;
    private final double width;
    private final double height;
    private final double top;
    private final double left;
    private final double right;
    private final double bottom;
    private final int gridStep;

    Size(
        String style,
        double width,
        double height,
        double top,
        double left,
        double right,
        double bottom,
        int gridStep) {
      this.style = style;
      this.width = width;
      this.height = height;
      this.top = top;
      this.left = left;
      this.right = right;
      this.bottom = bottom;
      this.gridStep = gridStep;
    }
  }

  private static final double LABEL_HEIGHT = 16;

  /** The drawing. */
  String svg(String title) {
    SvgWriter svg = new SvgWriter(size.style, size.width, size.height, title);
    for (int i = 0; i < shaded.size(); i++) {
      if (shaded.get(i)) {
        svg.empty(
            "rect",
            "class",
            "band",
            "x",
            x(i) - step() / 2,
            "y",
            y(1),
            "width",
            step() + 0.2,
            "height",
            y(0) - y(1));
      }
    }
    for (int percent = 0; percent <= 100; percent += size.gridStep) {
      double y = y(percent / 100.0);
      double right = size.width - size.right;
      svg.empty("line", "class", "grid", "x1", size.left, "x2", right, "y1", y, "y2", y);
      svg.element(
          "text", Integer.toString(percent), "x", size.left - 8, "y", y + 4, "text-anchor", "end");
    }
    for (int i = 0; i < ticks.size(); i++) {
      svg.element("text", ticks.get(i), "x", x(i), "y", size.height - 6, "text-anchor", "middle");
    }
    series.forEach(line -> draw(line, svg));
    if (size != Size.PANEL) {
      nameLines(svg);
    }
    return svg.svg();
  }

  private void draw(Series line, SvgWriter svg) {
    String points =
        IntStream.range(0, line.values().size())
            .mapToObj(i -> format("%.1f,%.1f", x(i), y(line.values().get(i))))
            .collect(Collectors.joining(" "));
    svg.empty("polyline", "class", line.style(), "points", points);
    // The base model never changes: dots would look like measurements.
    double radius = line.style().equals("base") ? 0 : size == Size.PAGE ? 5 : 3.5;
    for (int i = 0; i < line.values().size(); i++) {
      double value = line.values().get(i);
      svg.open("circle", "class", line.style(), "cx", x(i), "cy", y(value), "r", radius)
          .element("title", format("%s, %s: %.1f %%", line.name(), ticks.get(i), 100 * value))
          .close();
    }
  }

  /** Names the lines beside their last points, from the top down, without overlaps. */
  private void nameLines(SvgWriter svg) {
    List<Series> byHeight = new ArrayList<>(series);
    byHeight.sort(Comparator.comparingDouble((Series line) -> last(line)).reversed());
    double lowest = Double.NEGATIVE_INFINITY;
    for (Series line : byHeight) {
      lowest = Math.max(y(last(line)) + 4, lowest + LABEL_HEIGHT);
      svg.element(
          "text",
          size == Size.PAGE
              ? format("%s %.1f", line.name(), 100 * last(line))
              : format("%.1f", 100 * last(line)),
          "class",
          line.style(),
          "x",
          x(ticks.size() - 1) + (size == Size.PAGE ? 12 : 8),
          "y",
          lowest);
    }
  }

  private static double last(Series line) {
    return line.values().get(line.values().size() - 1);
  }

  private double step() {
    return (size.width - size.left - size.right) / ticks.size();
  }

  private double x(int i) {
    return size.left + (i + 0.5) * step();
  }

  private double y(double part) {
    return size.top + (1 - part) * (size.height - size.top - size.bottom);
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
