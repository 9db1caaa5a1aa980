package io.fisherstreams.demo;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Accuracies over the changes of a pool as lines, drawn as SVG. Colours come from the page's style
 * sheet, by the series' classes.
 *
 * @param ticks what stands under each point; as many as every series has values
 * @param series the lines; a later one is drawn over an earlier one
 * @param shaded whether the strip behind each point is shaded; as many as ticks, or none
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
    PAGE(1000, 330, 14, 34, 116, 30, 20),
    /** A quarter of the page, unnamed lines. */
    PANEL(250, 150, 8, 30, 6, 22, 50);

    private final double width;
    private final double height;
    private final double top;
    private final double left;
    private final double right;
    private final double bottom;
    private final int gridStep;

    Size(
        double width,
        double height,
        double top,
        double left,
        double right,
        double bottom,
        int gridStep) {
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
    StringBuilder svg = new StringBuilder();
    svg.append(
        format(
            "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>%s</title>%n",
            size == Size.PAGE ? "wide" : "panel", size.width, size.height, Html.text(title)));
    for (int i = 0; i < shaded.size(); i++) {
      if (shaded.get(i)) {
        svg.append(
            format(
                "<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>%n",
                x(i) - step() / 2, y(1), step() + 0.2, y(0) - y(1)));
      }
    }
    for (int percent = 0; percent <= 100; percent += size.gridStep) {
      double y = y(percent / 100.0);
      svg.append(
          format(
              "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>%n",
              size.left, size.width - size.right, y, y));
      svg.append(
          format(
              "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%d</text>%n",
              size.left - 8, y + 4, percent));
    }
    for (int i = 0; i < ticks.size(); i++) {
      svg.append(
          format(
              "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>%n",
              x(i), size.height - 6, Html.text(ticks.get(i))));
    }
    series.forEach(line -> draw(line, svg));
    if (size == Size.PAGE) {
      nameLines(svg);
    }
    return svg.append("</svg>\n").toString();
  }

  private void draw(Series line, StringBuilder svg) {
    String points =
        IntStream.range(0, line.values().size())
            .mapToObj(i -> format("%.1f,%.1f", x(i), y(line.values().get(i))))
            .collect(Collectors.joining(" "));
    svg.append(format("<polyline class=\"%s\" points=\"%s\"/>%n", line.style(), points));
    for (int i = 0; i < line.values().size(); i++) {
      // The base model never changes: dots on it would look like measurements.
      double radius = line.style().equals("base") ? 0 : size == Size.PAGE ? 5 : 3.5;
      svg.append(
          format(
              "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%s, %s: %.1f"
                  + " %%</title></circle>%n",
              line.style(),
              x(i),
              y(line.values().get(i)),
              radius,
              Html.text(line.name()),
              Html.text(ticks.get(i)),
              100 * line.values().get(i)));
    }
  }

  /** Names the lines beside their last points, from the top down, none over another. */
  private void nameLines(StringBuilder svg) {
    List<Series> byHeight = new ArrayList<>(series);
    byHeight.sort(Comparator.comparingDouble((Series line) -> last(line)).reversed());
    double lowest = Double.NEGATIVE_INFINITY;
    for (Series line : byHeight) {
      lowest = Math.max(y(last(line)) + 4, lowest + LABEL_HEIGHT);
      svg.append(
          format(
              "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s %.1f</text>%n",
              line.style(),
              x(ticks.size() - 1) + 12,
              lowest,
              Html.text(line.name()),
              100 * last(line)));
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
