package io.fisherstreams.demo;

import io.fisherstreams.Build;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
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

  /** A mean in large figures, with its interval. */
  record Tile(String style, String percent, String interval, String text) {}

  /** The table's columns under one heading. */
  record Group(String heading, List<String> columns) {}

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
    model.put("tiles", tiles());
    model.put("originalsBase", percent(result.base().originals()));
    model.put("originalsFisher", percent(result.full().fisher().originals()));
    model.put("testImages", format("%,d", result.testImages()));
    model.put("widest", widest());
    model.put("build", Build.current().text());
    model.put("java", System.getProperty("java.version"));
    model.put("findings", DemoFindings.of(result).sentence());
    model.put("overview", overview(PoolChange::event, LineChart.Size.PAGE));
    model.put(
        "phoneOverview", overview(change -> Long.toString(change.release()), LineChart.Size.PHONE));
    model.put("changes", changes());
    model.put("fullRelease", result.full().release());
    model.put("panels", panels());
    model.put("tasks", Arrays.stream(DigitTask.values()).map(DigitTask::model).toList());
    model.put("groups", groups());
    model.put("rows", rows());
    model.put("methods", methods());
    model.put("overlapModels", overlap.models());
    model.put("overlaps", overlaps(overlap));
    model.put("pool", new PoolChart(result.changes(), PoolChart.Size.PAGE).svg());
    model.put("phonePool", new PoolChart(result.changes(), PoolChart.Size.PHONE).svg());
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

  /** The means over the tasks, with their intervals. */
  private List<Tile> tiles() {
    return List.of(
        tile(
            "fisher",
            "Fisher merge of all six, average over the tasks",
            result.full().fisher().tasks().values()),
        tile("average", "plain average of all six", result.full().average().tasks().values()),
        tile("base", "base model", result.base().tasks().values()),
        tile("", "six separate models, each on its own task", result.alone().values()));
  }

  private Tile tile(String style, String text, Collection<Double> accuracies) {
    double mean = accuracies.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    return new Tile(
        style,
        percent(mean),
        interval(ConfidenceInterval.ofMean(accuracies, result.testImages())),
        text);
  }

  private static String interval(ConfidenceInterval interval) {
    return percent(interval.low()) + " to " + percent(interval.high());
  }

  /** Half the widest interval that an accuracy can have, in percent. */
  private String widest() {
    ConfidenceInterval interval = ConfidenceInterval.of(0.5, result.testImages());
    return percent((interval.high() - interval.low()) / 2);
  }

  private List<String> changes() {
    return result.changes().stream()
        .map(change -> change.model().model() + (change.arrived() ? " arrived" : " withdrawn"))
        .toList();
  }

  private String overview(Function<PoolChange, String> tick, LineChart.Size size) {
    return new LineChart(
            result.changes().stream().map(tick).toList(), lines(Scores::mean), List.of(), size)
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
              String.format(Locale.ROOT, "release %d, %s", change.release(), change.event()),
              List.of("Fisher merge", "plain average")));
    }
    groups.add(new Group("others", List.of("base model", "each model alone")));
    return groups;
  }

  private List<Row> rows() {
    List<Row> rows = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      rows.add(row(task.model(), scores -> scores.of(task), percent(result.alone().get(task))));
    }
    rows.add(row("average", Scores::mean, percent(result.aloneMean())));
    rows.add(row("original digits", Scores::originals, ""));
    return rows;
  }

  /** A row a method: its accuracy on each task, their average, and the original digits. */
  private List<Row> methods() {
    List<Row> rows = new ArrayList<>();
    result.methods().forEach(method -> rows.add(methodRow(method.name(), method.scores())));
    rows.add(methodRow("plain average", result.full().average()));
    return rows;
  }

  private static Row methodRow(String name, Scores scores) {
    List<Cell> cells = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      cells.add(new Cell(percent(scores.of(task)), false));
    }
    cells.add(new Cell(percent(scores.mean()), false));
    cells.add(new Cell(percent(scores.originals()), false));
    return new Row(name, cells);
  }

  /** A test set's accuracies; the better one of the two merges of a release is marked. */
  private Row row(String name, ToDoubleFunction<Scores> accuracy, String alone) {
    List<Cell> cells = new ArrayList<>();
    for (PoolChange change : List.of(result.full(), result.last())) {
      double fisher = accuracy.applyAsDouble(change.fisher());
      double average = accuracy.applyAsDouble(change.average());
      cells.add(new Cell(percent(fisher), fisher > average));
      cells.add(new Cell(percent(average), average > fisher));
    }
    cells.add(new Cell(percent(accuracy.applyAsDouble(result.base())), false));
    cells.add(new Cell(alone, false));
    return new Row(name, cells);
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
