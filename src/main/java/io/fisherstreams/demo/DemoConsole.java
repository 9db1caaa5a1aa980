package io.fisherstreams.demo;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Prints the demo's progress and, after each change of the pool, a table of plain text. */
public final class DemoConsole implements DemoListener {
  private static final int LABEL = 14;
  private static final int CELL = 7;
  private static final int WIDE_CELL = 10;

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
    header();
    row("in the pool", task -> change.holds(task) ? "yes" : "-", "", "");
    scores("Fisher merge", change.fisher());
    scores("plain average", change.average());
    scores("base model", base);
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
    print("%-26s%14s%15s%12s", "after", "Fisher merge", "plain average", "base model");
    for (PoolChange change : result.changes()) {
      print(
          "%-26s%14s%15s%12s",
          change.release() + ": " + (change.arrived() ? "+ " : "- ") + change.model().model(),
          percent(change.fisher().mean()),
          percent(change.average().mean()),
          percent(result.base().mean()));
    }
    print(
        "Each model alone on its own task: %s. The whole run took %s.",
        percent(result.aloneMean()), seconds(result.took()));
    print("%s", DemoFindings.of(result).sentence());
  }

  private void header() {
    List<String> upper = new ArrayList<>();
    List<String> lower = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      String[] words = task.model().split("-", 2);
      upper.add(words.length == 2 ? words[0] : "");
      lower.add(words[words.length - 1]);
    }
    line("", upper, "", "original");
    line("accuracy in %", lower, "average", "digits");
    print("%s", "-".repeat(LABEL + CELL * lower.size() + 2 * WIDE_CELL));
  }

  private void scores(String label, Scores scores) {
    row(
        label,
        task -> percent(scores.of(task)),
        percent(scores.mean()),
        percent(scores.originals()));
  }

  private void row(
      String label, Function<DigitTask, String> cell, String average, String originals) {
    line(
        label,
        Arrays.stream(DigitTask.values()).map(cell).collect(Collectors.toList()),
        average,
        originals);
  }

  private void line(String label, List<String> cells, String average, String originals) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-" + LABEL + "s", label));
    for (String cell : cells) {
      line.append(String.format(Locale.ROOT, "%" + CELL + "s", cell));
    }
    line.append(String.format(Locale.ROOT, "%" + WIDE_CELL + "s", average));
    line.append(String.format(Locale.ROOT, "%" + WIDE_CELL + "s", originals));
    print("%s", line.toString().stripTrailing());
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
