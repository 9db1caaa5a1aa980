package io.fisherstreams.demo;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * The demo's result as one page of HTML that loads nothing: no script, no font, no image from
 * elsewhere. It is also well-formed XML.
 */
public final class DemoReport {
  private static final int SAMPLES = 5;

  /** One test set's card: sample images, accuracy by release, the figures of the full pool. */
  record Panel(
      String name,
      String description,
      String image,
      String chart,
      String fisher,
      String average,
      String base) {}

  /** The table's rows under one heading. */
  record Group(String heading, List<Row> rows) {}

  /** A row of the table. */
  record Row(String name, List<Cell> cells) {}

  /** A figure of the table; the better one of two merges is marked. */
  record Cell(String text, boolean best) {}

  /** A row of the overlap table. */
  record Overlap(String model, List<String> cosines) {}

  private final DemoResult result;
  private final DigitImages samples;

  /** The report of this result. */
  public DemoReport(DemoResult result) {
    this.result = result;
    this.samples = MnistData.load().test().first(SAMPLES);
  }

  /** The whole page. */
  public String html() {
    FisherOverlap overlap = FisherOverlap.of(result.models(), DigitNetwork.weightName(0));
    Map<String, Object> model = new HashMap<>();
    model.put("fisherMean", percent(result.full().fisher().mean()));
    model.put("averageMean", percent(result.full().average().mean()));
    model.put("baseMean", percent(result.base().mean()));
    model.put("aloneMean", percent(result.aloneMean()));
    model.put("findings", DemoFindings.of(result).sentence());
    model.put("overview", overview());
    model.put("fullRelease", result.full().release());
    model.put("panels", panels());
    model.put("tasks", Arrays.stream(DigitTask.values()).map(DigitTask::model).toList());
    model.put("groups", groups());
    model.put("overlapModels", overlap.models());
    model.put("overlaps", overlaps(overlap));
    model.put("pool", new PoolChart(result.changes()).svg());
    model.put("withdrawn", result.last().model().model());
    model.put("withdrawalRelease", result.last().release());
    model.put("withdrawalExact", result.withdrawalExact());
    model.put("parameters", format("%,d", result.merged().elements()));
    model.put("seed", result.seed());
    model.put("epsilon", Double.toString(DemoScenario.METHOD.epsilon()).replace(".0E", "e"));
    model.put("examples", format("%,d", result.examples()));
    model.put(
        "waits",
        result.changes().stream()
            .map(change -> format("%.1f", change.waited().toMillis() / 1000.0))
            .collect(Collectors.joining(", ")));
    model.put("took", format("%.0f", result.took().toMillis() / 1000.0));
    return ReportTemplate.fill(model);
  }

  private String overview() {
    return new LineChart(
            result.changes().stream().map(PoolChange::event).toList(),
            lines(Scores::mean),
            List.of(),
            LineChart.Size.PAGE)
        .svg("Average accuracy over the six tasks after each change of the pool");
  }

  private List<Panel> panels() {
    List<Panel> panels = new ArrayList<>();
    panels.add(
        panel(
            "original digits", "the base model's, no task", samples, Scores::originals, List.of()));
    for (DigitTask task : DigitTask.values()) {
      panels.add(
          panel(
              task.model(),
              task.description(),
              task.of(samples),
              scores -> scores.of(task),
              result.changes().stream().map(change -> change.holds(task)).toList()));
    }
    return panels;
  }

  private Panel panel(
      String name,
      String description,
      DigitImages images,
      ToDoubleFunction<Scores> accuracy,
      List<Boolean> shaded) {
    LineChart chart =
        new LineChart(
            result.changes().stream().map(change -> Long.toString(change.release())).toList(),
            lines(accuracy),
            shaded,
            LineChart.Size.PANEL);
    return new Panel(
        name,
        description,
        DigitStrip.url(images),
        chart.svg(name + ": accuracy by release"),
        percent(accuracy.applyAsDouble(result.full().fisher())),
        percent(accuracy.applyAsDouble(result.full().average())),
        percent(accuracy.applyAsDouble(result.base())));
  }

  private List<LineChart.Series> lines(ToDoubleFunction<Scores> accuracy) {
    List<PoolChange> changes = result.changes();
    return List.of(
        new LineChart.Series(
            "base model",
            "base",
            changes.stream().map(change -> accuracy.applyAsDouble(result.base())).toList()),
        new LineChart.Series(
            "plain average",
            "average",
            changes.stream().map(change -> accuracy.applyAsDouble(change.average())).toList()),
        new LineChart.Series(
            "Fisher merge",
            "fisher",
            changes.stream().map(change -> accuracy.applyAsDouble(change.fisher())).toList()));
  }

  private List<Group> groups() {
    List<Group> groups = new ArrayList<>();
    for (PoolChange change : List.of(result.full(), result.last())) {
      groups.add(
          new Group(
              String.format(Locale.ROOT, "release %d, after %s", change.release(), change.event()),
              List.of(
                  row("Fisher merge", change.fisher(), change.average()),
                  row("plain average", change.average(), change.fisher()))));
    }
    groups.add(
        new Group(
            "for comparison", List.of(row("base model", result.base(), result.base()), alone())));
    return groups;
  }

  /** A row of scores; those above the rival's are marked. */
  private static Row row(String name, Scores scores, Scores rival) {
    List<Cell> cells = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      cells.add(cell(scores.of(task), rival.of(task)));
    }
    cells.add(cell(scores.mean(), rival.mean()));
    cells.add(cell(scores.originals(), rival.originals()));
    return new Row(name, cells);
  }

  private static Cell cell(double part, double rival) {
    return new Cell(percent(part), part > rival);
  }

  /** Each model on its own task; nothing on the original digits. */
  private Row alone() {
    List<Cell> cells = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      cells.add(new Cell(percent(result.alone().get(task)), false));
    }
    cells.add(new Cell(percent(result.aloneMean()), false));
    cells.add(new Cell("", false));
    return new Row("each model alone", cells);
  }

  private static List<Overlap> overlaps(FisherOverlap overlap) {
    List<Overlap> rows = new ArrayList<>();
    for (int row = 0; row < overlap.models().size(); row++) {
      rows.add(
          new Overlap(
              overlap.models().get(row),
              overlap.cosines().get(row).stream().map(cosine -> format("%.2f", cosine)).toList()));
    }
    return rows;
  }

  private static String percent(double part) {
    return format("%.1f", 100 * part);
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
