package io.fisherstreams.oneshot;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.text.TextTable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * The results of all models of a merge on all tasks.
 *
 * @param file the merge.yaml
 * @param tasks the tasks' names
 * @param models the models in the order in which they are shown
 */
public record EvaluationReport(Path file, List<String> tasks, List<ModelResult> models) {
  /**
   * The results of one model.
   *
   * @param name for people
   * @param kind {@code merged}, {@code plain_average}, {@code base} or {@code fine_tuned}
   * @param byTask its result on every task
   */
  public record ModelResult(String name, String kind, Map<String, Evaluation> byTask) {
    private double mean(ToDoubleFunction<Evaluation> figure) {
      return byTask.values().stream().mapToDouble(figure).average().orElseThrow();
    }
  }

  /** Two tables, models by tasks. */
  public String tables() {
    return table("accuracy in %", evaluation -> 100 * evaluation.accuracy(), "%.2f")
        + System.lineSeparator()
        + table("mean log-likelihood", Evaluation::meanLogLikelihood, "%.4f");
  }

  private String table(String title, ToDoubleFunction<Evaluation> figure, String format) {
    TextTable table = new TextTable().left();
    List<String> head = new ArrayList<>(List.of(title));
    for (String task : tasks) {
      table.right();
      head.add(task);
    }
    table.right();
    head.add("average");
    table.row(head);
    for (ModelResult row : models) {
      List<String> cells = new ArrayList<>(List.of(row.name));
      for (String task : tasks) {
        cells.add(String.format(Locale.ROOT, format, figure.applyAsDouble(row.byTask.get(task))));
      }
      cells.add(String.format(Locale.ROOT, format, row.mean(figure)));
      table.row(cells);
    }
    return table.toString();
  }

  /** All figures; accuracies from 0 to 1, log-likelihoods in nats. */
  public ObjectNode json() {
    ObjectNode root = new ObjectMapper().createObjectNode();
    root.put("merge", file.toString());
    ArrayNode list = root.putArray("models");
    for (ModelResult row : models) {
      ObjectNode model = list.addObject();
      model.put("model", row.name).put("kind", row.kind);
      model.put("mean_accuracy", row.mean(Evaluation::accuracy));
      model.put("mean_log_likelihood", row.mean(Evaluation::meanLogLikelihood));
      ObjectNode byTask = model.putObject("tasks");
      for (String task : tasks) {
        Evaluation evaluation = row.byTask.get(task);
        byTask
            .putObject(task)
            .put("examples", evaluation.examples())
            .put("accuracy", evaluation.accuracy())
            .put("mean_log_likelihood", evaluation.meanLogLikelihood());
      }
    }
    return root;
  }
}
