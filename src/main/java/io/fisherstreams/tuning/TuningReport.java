package io.fisherstreams.tuning;

import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.search.Measure;
import io.fisherstreams.search.Measure.Difference;
import io.fisherstreams.text.TextTable;
import io.fisherstreams.tuning.Trial.Figures;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;

/** What a search found, for people. */
public record TuningReport(TuningResult result) {
  private Measure measure() {
    return result.options().measure();
  }

  /** The settings and the figures of the start and of the best trial, and whether they differ. */
  public String text() {
    StringBuilder text = new StringBuilder();
    text.append(
        format(
            "%d trials%s; %d validation examples, %d held out%n%n",
            result.trials().size() - 1,
            result.hasEnded() ? ", then no step promised more" : "",
            result.validation(),
            result.heldOut().examples()));
    text.append(settings()).append(System.lineSeparator());
    if (measure().isAccuracy()) {
      text.append(figures("accuracy in %", TuningReport::percent, "%.2f"));
    } else {
      text.append(figures("log-likelihood", its -> OptionalDouble.of(its.logLikelihood()), "%.4f"));
    }
    return text.append(System.lineSeparator()).append(verdict()).toString();
  }

  private String settings() {
    Settings before = result.start().settings();
    Settings found = result.best().settings();
    TextTable table = new TextTable().left().right().right();
    table.row("SETTING", "START", "FOUND");
    Map<String, String> keys = MergeMethods.keys(found.formula());
    MergeMethods.keys(before.formula())
        .forEach((key, value) -> table.row(key, value, keys.get(key)));
    before
        .named()
        .forEach(
            (name, value) ->
                table.row(
                    "coefficient of " + name,
                    format("%.6g", value),
                    format("%.6g", found.named().get(name))));
    return table.toString();
  }

  private String figures(String title, Function<Figures, OptionalDouble> figure, String pattern) {
    TextTable table = new TextTable().left();
    List<String> head = new ArrayList<>(List.of(title));
    result.start().tasks().keySet().forEach(head::add);
    head.add("average");
    for (int i = 1; i < head.size(); i++) {
      table.right();
    }
    table.row(head);
    table.row(row("validation, start", result.start().tasks(), figure, pattern));
    table.row(row("validation, found", result.best().tasks(), figure, pattern));
    table.row(row("held out, start", result.heldOut().start(), figure, pattern));
    table.row(row("held out, found", result.heldOut().best(), figure, pattern));
    return table.toString();
  }

  private static List<String> row(
      String title,
      Map<String, Figures> tasks,
      Function<Figures, OptionalDouble> figure,
      String pattern) {
    List<String> cells = new ArrayList<>(List.of(title));
    double sum = 0;
    for (Figures its : tasks.values()) {
      double value = figure.apply(its).orElseThrow();
      sum += value;
      cells.add(format(pattern, value));
    }
    cells.add(format(pattern, sum / tasks.size()));
    return cells;
  }

  private static OptionalDouble percent(Figures figures) {
    return figures.accuracy().stream().map(share -> 100 * share).findFirst();
  }

  /** Whether the best trial is better than the start, in a few lines. */
  public String verdict() {
    String name =
        measure().name().toLowerCase(Locale.ROOT).replace('_', ' ').replace("log ", "log-");
    if (result.best().number() == 0) {
      return format("no trial is better than the start in %s%n", name);
    }
    Difference difference = result.best().difference().orElseThrow();
    String amount = shown(difference);
    String heldOut = shown(result.heldOut().difference());
    String begin =
        result.beatsStart()
            ? format("trial %d is better than the start: %s", result.best().number(), name)
            : format(
                "no trial beats the start beyond noise; the best, trial %d: %s",
                result.best().number(), name);
    return format(
        "%s %s (standard error) on the validation examples%n"
            + "on the held-out examples, which the search did not see: %s%n",
        begin, amount, heldOut);
  }

  private String shown(Difference difference) {
    return measure().isAccuracy()
        ? format("%+.2f ± %.2f points", 100 * difference.value(), 100 * difference.error())
        : format("%+.4f ± %.4f", difference.value(), difference.error());
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
