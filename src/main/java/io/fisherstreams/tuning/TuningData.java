package io.fisherstreams.tuning;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.search.Measure.Difference;
import io.fisherstreams.tuning.Trial.Figures;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * All trials of a search, as data.
 *
 * @param origin what was searched for: a file or a pool
 */
public record TuningData(String origin, TuningResult result) {
  /** All trials, a line each; accuracies from 0 to 1, log-likelihoods in nats. */
  public String csv() {
    List<String> tasks = List.copyOf(result.start().tasks().keySet());
    List<String> coefficients = List.copyOf(result.start().settings().named().keySet());
    List<String> keys =
        new ArrayList<>(MergeMethods.keys(result.start().settings().formula()).keySet());
    StringBuilder csv = new StringBuilder();
    List<String> head =
        new ArrayList<>(List.of("trial", "value", "difference", "standard_error", "seconds"));
    head.addAll(keys);
    coefficients.forEach(name -> head.add("coefficient " + name));
    tasks.forEach(task -> head.add("accuracy " + task));
    tasks.forEach(task -> head.add("log_likelihood " + task));
    head.add("failure");
    line(csv, head);
    for (Trial trial : result.trials()) {
      List<String> cells = new ArrayList<>();
      cells.add(Integer.toString(trial.number()));
      cells.add(trial.failure().isPresent() ? "" : Double.toString(trial.value()));
      cells.add(trial.difference().map(d -> Double.toString(d.value())).orElse(""));
      cells.add(trial.difference().map(d -> Double.toString(d.error())).orElse(""));
      cells.add(format("%.3f", trial.seconds()));
      Map<String, String> values = MergeMethods.keys(trial.settings().formula());
      keys.forEach(key -> cells.add(values.get(key)));
      trial.settings().named().values().forEach(value -> cells.add(value.toString()));
      for (String task : tasks) {
        Figures figures = trial.tasks().get(task);
        boolean has = figures != null && figures.accuracy().isPresent();
        cells.add(has ? Double.toString(figures.accuracy().getAsDouble()) : "");
      }
      for (String task : tasks) {
        Figures figures = trial.tasks().get(task);
        cells.add(figures == null ? "" : Double.toString(figures.logLikelihood()));
      }
      cells.add(trial.failure().orElse(""));
      line(csv, cells);
    }
    return csv.toString();
  }

  private static void line(StringBuilder csv, List<String> cells) {
    for (int i = 0; i < cells.size(); i++) {
      String cell = cells.get(i);
      csv.append(i == 0 ? "" : ",");
      csv.append(cell.matches("[^,\"\r\n]*") ? cell : "\"" + cell.replace("\"", "\"\"") + "\"");
    }
    csv.append('\n');
  }

  /** Options, all trials and the held-out figures. */
  public ObjectNode json() {
    ObjectNode root = new ObjectMapper().createObjectNode();
    TuningOptions options = result.options();
    root.put("tuned", origin)
        .put("measure", options.measure().name().toLowerCase(Locale.ROOT))
        .put("strategy", options.strategy().name().toLowerCase(Locale.ROOT))
        .put("seed", options.seed())
        .put("best_trial", result.best().number())
        .put("beats_start", result.beatsStart());
    ObjectNode validation = root.putObject("validation").put("examples", result.validation());
    result.best().difference().ifPresent(difference -> put(difference, validation));
    ObjectNode heldOut = root.putObject("held_out").put("examples", result.heldOut().examples());
    heldOut.put("start_value", result.heldOut().startValue());
    heldOut.put("best_value", result.heldOut().bestValue());
    put(result.heldOut().difference(), heldOut);
    put(result.heldOut().start(), heldOut.putObject("start"));
    put(result.heldOut().best(), heldOut.putObject("best"));
    ArrayNode trials = root.putArray("trials");
    result.trials().forEach(trial -> put(trial, trials.addObject()));
    return root;
  }

  private static void put(Trial trial, ObjectNode json) {
    json.put("trial", trial.number()).put("seconds", trial.seconds());
    if (trial.failure().isEmpty()) {
      json.put("value", trial.value());
    }
    trial.difference().ifPresent(difference -> put(difference, json));
    ObjectNode method = json.putObject("method");
    MergeMethods.keys(trial.settings().formula())
        .forEach(
            (key, value) -> {
              if (value.matches("[-0-9.E]+")) {
                method.put(key, Double.parseDouble(value));
              } else if (value.equals("true") || value.equals("false")) {
                method.put(key, Boolean.parseBoolean(value));
              } else {
                method.put(key, value);
              }
            });
    ObjectNode coefficients = json.putObject("coefficients");
    ObjectNode inGroups = new ObjectMapper().createObjectNode();
    trial
        .settings()
        .coefficients()
        .forEach(
            (model, given) -> {
              given.own().ifPresent(own -> coefficients.put(model, own));
              if (!given.ofGroups().isEmpty()) {
                given.ofGroups().forEach(inGroups.putObject(model)::put);
              }
            });
    if (!inGroups.isEmpty()) {
      json.set("group_coefficients", inGroups);
    }
    put(trial.tasks(), json.putObject("tasks"));
    trial.failure().ifPresent(reason -> json.put("failure", reason));
  }

  private static void put(Difference difference, ObjectNode json) {
    json.put("difference", difference.value()).put("standard_error", difference.error());
  }

  private static void put(Map<String, Figures> tasks, ObjectNode json) {
    tasks.forEach(
        (task, figures) -> {
          ObjectNode own = json.putObject(task);
          figures.accuracy().ifPresent(accuracy -> own.put("accuracy", accuracy));
          own.put("mean_log_likelihood", figures.logLikelihood());
        });
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
