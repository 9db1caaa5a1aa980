package io.fisherstreams.demo;

import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** Prints the demo's progress and, after each change of the pool, a table of plain text. */
public final class DemoConsole implements DemoListener {
  private static final int LABEL = 14;
  private static final int METHOD_LABEL = 35;
  private static final int CELL = 6;
  private static final int WIDE_CELL = 9;

  private final PrintWriter out;

  /** Prints to {@code out}, which the caller closes. */
  public DemoConsole(PrintWriter out) {
    this.out = out;
  }

  @Override
  public void trained(String network, int epoch, int epochs, double loss) {
    print("training %-13s epoch %d of %d, loss %.3f", network, epoch, epochs, loss);
  }

  @Override
  public void based(Scores base) {
    print(
        "base model published: it reads %s %% of the original digits, and %s %% of the tasks' digits"
            + " on average",
        percent(base.originals()), percent(base.mean()));
  }

  @Override
  public void fineTuned(DigitTask task, double own, int examples) {
    print(
        "%s reads %s %% of its own digits (%s); it arrives with %,d examples for its exact Fisher",
        task.model(), percent(own), task.description(), examples);
  }

  @Override
  public void released(PoolChange change, Scores base) {
    String event = change.model().model() + (change.arrived() ? " arrived" : " withdrawn");
    print("");
    print(
        "Release %d: %s. %d in the pool: %s. Complete after %s.",
        change.release(),
        event,
        change.shares().size(),
        String.join(", ", change.shares().keySet()),
        seconds(change.waited()));
    accuracies(change, base).print(out);
    print("");
  }

  @Override
  public void verifying(DigitTask withdrawn) {
    print("for comparison, merging a second pool that never had %s", withdrawn.model());
  }

  @Override
  public void finished(DemoResult result) {
    print(
        result.withdrawalExact()
            ? "The last release is bit-identical to that pool's: nothing of the withdrawn model is left."
            : "The last release DIFFERS from that pool's: something of the withdrawn model is left.");
    print("");
    print("Accuracy in %%, average over all six tasks, whether their model is in the pool or not:");
    TextTable table = new TextTable().left(26).right(12).right(13).right(10);
    table.row("after", "Fisher merge", "plain average", "base model");
    for (PoolChange change : result.changes()) {
      table.row(
          change.release() + ": " + (change.arrived() ? "+ " : "- ") + change.model().model(),
          percent(change.fisher().mean()),
          percent(change.average().mean()),
          percent(result.base().mean()));
    }
    table.print(out);
    print(
        "Each model alone on its own task: %s. The whole run took %s.",
        percent(result.aloneMean()), seconds(result.took()));
    print("%s", DemoFindings.of(result).sentence());
    print("");
    print(
        "All %d models merged by each method, with its default coefficients:",
        DigitTask.values().length);
    methods(result).print(out);
  }

  private static TextTable methods(DemoResult result) {
    TextTable table = headed(METHOD_LABEL);
    table.rule();
    result.methods().forEach(method -> scores(table, method.name(), method.scores()));
    scores(table, "plain average", result.full().average());
    scores(table, "base model", result.base());
    return table;
  }

  private static TextTable accuracies(PoolChange change, Scores base) {
    TextTable table = headed(LABEL);
    table.rule();
    row(table, "in the pool", cells(task -> change.holds(task) ? "yes" : "-"), "", "");
    scores(table, "Fisher merge", change.fisher());
    scores(table, "plain average", change.average());
    scores(table, "base model", base);
    return table;
  }

  /** A table with the test sets' names above it. */
  private static TextTable headed(int label) {
    TextTable table = new TextTable(1).left(label);
    List<String> upper = new ArrayList<>();
    List<String> lower = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      table.right(CELL);
      String[] words = task.model().split("-", 2);
      upper.add(words.length == 2 ? words[0] : "");
      lower.add(words[words.length - 1]);
    }
    table.right(WIDE_CELL).right(WIDE_CELL);
    row(table, "", upper, "", "original");
    row(table, "accuracy in %", lower, "average", "digits");
    return table;
  }

  private static void scores(TextTable table, String label, Scores scores) {
    row(
        table,
        label,
        cells(task -> percent(scores.of(task))),
        percent(scores.mean()),
        percent(scores.originals()));
  }

  private static List<String> cells(Function<DigitTask, String> cell) {
    return Arrays.stream(DigitTask.values()).map(cell).toList();
  }

  private static void row(
      TextTable table, String label, List<String> cells, String average, String originals) {
    List<String> row = new ArrayList<>(List.of(label));
    row.addAll(cells);
    row.add(average);
    row.add(originals);
    table.row(row);
  }

  private static String percent(double part) {
    return String.format(Locale.ROOT, "%.1f", 100 * part);
  }

  private static String seconds(Duration duration) {
    return String.format(Locale.ROOT, "%.1f s", duration.toMillis() / 1000.0);
  }

  private void print(String format, Object... values) {
    out.println(String.format(Locale.ROOT, format, values));
    out.flush();
  }
}
