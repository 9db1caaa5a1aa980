package io.fisherstreams.oneshot;

import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.oneshot.EvaluationReport.ModelResult;
import io.fisherstreams.text.SvgWriter;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.stream.DoubleStream;

/**
 * The models of an evaluation as an SVG picture that needs no style sheet: a row a model, a bar for
 * the average over the tasks, a dot for each task. It shows accuracies; log-likelihoods where a
 * task has no accuracy.
 */
public final class ComparisonChart {
  private static final double WIDTH = 900;
  private static final double NAMES = 300;
  private static final double RIGHT = 70;
  private static final double TOP = 40;
  private static final double ROW = 30;
  private static final int GRID = 5;
  private static final int LONGEST_NAME = 44;
  private static final String FONT = "font: 12px system-ui, sans-serif";

  private final EvaluationReport report;
  private final boolean isAccuracy;
  private final double lowest;
  private final double highest;

  private ComparisonChart(EvaluationReport report) {
    this.report = report;
    isAccuracy =
        report.models().stream()
            .flatMap(model -> model.byTask().values().stream())
            .allMatch(evaluation -> evaluation.accuracy().isPresent());
    highest = isAccuracy ? 1 : 0;
    lowest =
        isAccuracy
            ? 0
            : Math.min(
                -1e-9, report.models().stream().flatMapToDouble(this::values).min().orElse(-1));
  }

  /** The picture. */
  public static String svg(EvaluationReport report) {
    return new ComparisonChart(report).draw();
  }

  private DoubleStream values(ModelResult model) {
    return report.tasks().stream().mapToDouble(task -> value(model.byTask().get(task)));
  }

  private double value(Evaluation evaluation) {
    OptionalDouble accuracy = evaluation.accuracy();
    return isAccuracy ? accuracy.orElseThrow() : evaluation.meanLogLikelihood();
  }

  private String draw() {
    int rows = report.models().size();
    double height = TOP + rows * ROW + 40;
    String title = isAccuracy ? "accuracy in %" : "mean log-likelihood";
    SvgWriter svg = SvgWriter.file(WIDTH, height, title + " by model and task");
    svg.empty("rect", "x", 0, "y", 0, "width", WIDTH, "height", height, "fill", "#ffffff");
    text(
        svg, NAMES, 18, "start", "#1c2430", title + ": bar, average of the tasks; dots, the tasks");
    for (int i = 0; i <= GRID; i++) {
      double value = lowest + (highest - lowest) * i / GRID;
      svg.empty(
          "line",
          "x1",
          x(value),
          "y1",
          TOP,
          "x2",
          x(value),
          "y2",
          TOP + rows * ROW,
          "stroke",
          "#dfe3e8");
      text(svg, x(value), TOP + rows * ROW + 18, "middle", "#5b6675", shown(value));
    }
    for (int i = 0; i < rows; i++) {
      row(svg, report.models().get(i), TOP + i * ROW);
    }
    return svg.svg() + "\n";
  }

  private void row(SvgWriter svg, ModelResult model, double y) {
    String name =
        model.name().length() > LONGEST_NAME
            ? model.name().substring(0, LONGEST_NAME - 1) + "…"
            : model.name();
    text(svg, NAMES - 10, y + ROW / 2 + 4, "end", "#1c2430", name);
    double mean = values(model).average().orElseThrow();
    double from = Math.min(x(lowest), x(mean));
    svg.open(
            "rect",
            "x",
            from,
            "y",
            y + 6,
            "width",
            x(mean) - from,
            "height",
            ROW - 12,
            "fill",
            model.kind().equals("merged") ? "#7fa8e0" : "#c9ced6")
        .element("title", "%s, average: %s".formatted(model.name(), shown(mean)))
        .close();
    for (String task : report.tasks()) {
      double value = value(model.byTask().get(task));
      svg.open("circle", "cx", x(value), "cy", y + ROW / 2, "r", 4, "fill", "#1c2430")
          .element("title", "%s on %s: %s".formatted(model.name(), task, shown(value)))
          .close();
    }
    text(svg, WIDTH - RIGHT + 10, y + ROW / 2 + 4, "start", "#1c2430", shown(mean));
  }

  private static void text(
      SvgWriter svg, double x, double y, String anchor, String colour, String text) {
    svg.element("text", text, "x", x, "y", y, "text-anchor", anchor, "fill", colour, "style", FONT);
  }

  private double x(double value) {
    return NAMES + (WIDTH - NAMES - RIGHT) * (value - lowest) / (highest - lowest);
  }

  private String shown(double value) {
    return isAccuracy
        ? String.format(Locale.ROOT, "%.1f", 100 * value)
        : String.format(Locale.ROOT, "%.3f", value);
  }
}
