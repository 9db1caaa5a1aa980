package io.fisherstreams.tuning;

import io.fisherstreams.search.Measure.Difference;
import io.fisherstreams.text.SvgWriter;
import java.util.List;
import java.util.Locale;

/**
 * A search as an SVG picture that needs no style sheet: a dot for each trial, a line for the best
 * so far, the start's value, and the strip around it that is noise.
 */
public final class SearchChart {
  private static final double WIDTH = 900;
  private static final double HEIGHT = 360;
  private static final double LEFT = 70;
  private static final double RIGHT = 20;
  private static final double TOP = 34;
  private static final double BOTTOM = 46;
  private static final int GRID = 5;
  private static final String FONT = "12px system-ui, sans-serif";

  private final TuningResult result;
  private final boolean isAccuracy;
  private final double lowest;
  private final double highest;

  private SearchChart(TuningResult result) {
    this.result = result;
    this.isAccuracy = result.options().measure().isAccuracy();
    List<Double> values = values(result);
    double top = values.get(values.size() - 1);
    // One very bad trial must not flatten all the others.
    double bottom = values.get(values.size() / 10);
    bottom = Math.min(bottom, result.start().value());
    double margin = Math.max(0.05 * (top - bottom), 1e-3);
    lowest = bottom - margin;
    highest = top + margin;
  }

  private static List<Double> values(TuningResult result) {
    return result.trials().stream().map(Trial::value).filter(Double::isFinite).sorted().toList();
  }

  /** The picture. */
  public static String svg(TuningResult result) {
    return new SearchChart(result).draw();
  }

  private String draw() {
    String measure = result.options().measure().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    SvgWriter svg =
        SvgWriter.file(WIDTH, HEIGHT, "Search of merge settings: " + measure + " by trial");
    svg.empty("rect", "x", 0, "y", 0, "width", WIDTH, "height", HEIGHT, "fill", "#ffffff");
    text(
        svg,
        LEFT,
        20,
        "start",
        "#1c2430",
        measure + (isAccuracy ? " in %" : "") + " on the validation examples, by trial");
    grid(svg);
    double start = result.start().value();
    noise(svg, start);
    line(svg, "#6b7280", "4 4", LEFT, y(start), WIDTH - RIGHT, y(start));
    for (Trial trial : result.trials()) {
      if (trial.value() >= lowest) {
        svg.open(
                "circle",
                "cx",
                x(trial.number()),
                "cy",
                y(trial.value()),
                "r",
                3,
                "fill",
                trial.number() == result.best().number() ? "#b85c00" : "#1f5fbf")
            .element("title", "trial " + trial.number() + ": " + shown(trial.value()))
            .close();
      }
    }
    best(svg);
    return svg.svg() + "\n";
  }

  private void grid(SvgWriter svg) {
    for (int i = 0; i <= GRID; i++) {
      double value = lowest + (highest - lowest) * i / GRID;
      line(svg, "#dfe3e8", "none", LEFT, y(value), WIDTH - RIGHT, y(value));
      text(svg, LEFT - 8, y(value) + 4, "end", "#5b6675", shown(value));
    }
    int last = result.trials().size() - 1;
    for (int i = 0; i <= GRID; i++) {
      int trial = Math.round((float) last * i / GRID);
      text(svg, x(trial), HEIGHT - BOTTOM + 18, "middle", "#5b6675", Integer.toString(trial));
    }
    text(
        svg,
        LEFT,
        HEIGHT - 8,
        "start",
        "#5b6675",
        "dashed: the start; shaded: the best trial's difference would be noise; orange: the best trial");
  }

  private void noise(SvgWriter svg, double start) {
    result
        .best()
        .difference()
        .filter(difference -> difference.error() > 0)
        .ifPresent(
            difference -> {
              double reach = Difference.NOISE * difference.error();
              double upper = y(Math.min(highest, start + reach));
              svg.empty(
                  "rect",
                  "x",
                  LEFT,
                  "y",
                  upper,
                  "width",
                  WIDTH - LEFT - RIGHT,
                  "height",
                  Math.max(0, y(start) - upper),
                  "fill",
                  "#e9eff8");
            });
  }

  private void best(SvgWriter svg) {
    StringBuilder points = new StringBuilder();
    double best = result.start().value();
    for (Trial trial : result.trials()) {
      points.append(format("%.1f,%.1f ", x(trial.number()), y(best)));
      best = Math.max(best, trial.value());
      points.append(format("%.1f,%.1f ", x(trial.number()), y(best)));
    }
    svg.empty(
        "polyline",
        "points",
        points.toString().trim(),
        "fill",
        "none",
        "stroke",
        "#b85c00",
        "stroke-width",
        1.5);
  }

  private static void line(
      SvgWriter svg, String colour, String dashes, double x1, double y1, double x2, double y2) {
    svg.empty(
        "line",
        "x1",
        x1,
        "y1",
        y1,
        "x2",
        x2,
        "y2",
        y2,
        "stroke",
        colour,
        "stroke-dasharray",
        dashes);
  }

  private static void text(
      SvgWriter svg, double x, double y, String anchor, String colour, String text) {
    svg.element(
        "text",
        text,
        "x",
        x,
        "y",
        y,
        "text-anchor",
        anchor,
        "fill",
        colour,
        "style",
        "font: " + FONT);
  }

  private double x(int trial) {
    int last = Math.max(1, result.trials().size() - 1);
    return LEFT + (WIDTH - LEFT - RIGHT) * trial / last;
  }

  private double y(double value) {
    return TOP + (HEIGHT - TOP - BOTTOM) * (highest - value) / (highest - lowest);
  }

  private String shown(double value) {
    return isAccuracy ? format("%.1f", 100 * value) : format("%.3f", value);
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
