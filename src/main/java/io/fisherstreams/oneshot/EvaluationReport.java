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
import java.util.OptionalDouble;
import java.util.function.Function;

/**
 * The results of all models of a merge on all tasks.
 *
 * @param file the merge.yaml
 * @param tasks the tasks' names
 * @param models the models in the order in which they are shown
 * @param parameters how many a model has
 */
public record EvaluationReport(
    Path file, List<String> tasks, List<ModelResult> models, long parameters) {
  /**
   * The results of one model.
   *
   * @param name for people
   * @param kind {@code merged}, {@code plain_average}, {@code base} or {@code fine_tuned}
   * @param byTask its result on every task
   */
  public record ModelResult(String name, String kind, Map<String, Evaluation> byTask) {
    private OptionalDouble mean(Function<Evaluation, OptionalDouble> figure) {
      return byTask.values().stream().map(figure).flatMapToDouble(OptionalDouble::stream).average();
    }
  }

  /** Tables of models by tasks, one a figure. */
  public String tables() {
    List<String> tables = new ArrayList<>();
    tables.add(table("accuracy in %", EvaluationReport::percent, "%.2f"));
    tables.add(table("mean log-likelihood", EvaluationReport::likelihood, "%.4f"));
    if (models.stream().anyMatch(row -> row.mean(Evaluation::perplexity).isPresent())) {
      tables.add(table("perplexity", Evaluation::perplexity, "%.4f"));
    }
    return String.join(System.lineSeparator(), tables);
  }

  private static OptionalDouble percent(Evaluation evaluation) {
    return evaluation.accuracy().stream().map(share -> 100 * share).findFirst();
  }

  private static OptionalDouble likelihood(Evaluation evaluation) {
    return OptionalDouble.of(evaluation.meanLogLikelihood());
  }

  private String table(String title, Function<Evaluation, OptionalDouble> figure, String format) {
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
        cells.add(shown(figure.apply(row.byTask.get(task)), format));
      }
      cells.add(shown(row.mean(figure), format));
      table.row(cells);
    }
    return table.toString();
  }

  private static String shown(OptionalDouble figure, String format) {
    return figure.isPresent() ? String.format(Locale.ROOT, format, figure.getAsDouble()) : "-";
  }

  /**
   * Puts the figures of one model on one task into a JSON object: accuracies from 0 to 1,
   * log-likelihoods in nats. A figure that the model does not have is left out.
   */
  public static void put(Evaluation evaluation, ObjectNode json) {
    json.put("examples", evaluation.examples());
    evaluation.tokens().ifPresent(tokens -> json.put("tokens", tokens));
    evaluation.accuracy().ifPresent(accuracy -> json.put("accuracy", accuracy));
    json.put("mean_log_likelihood", evaluation.meanLogLikelihood());
    evaluation.perplexity().ifPresent(perplexity -> json.put("perplexity", perplexity));
  }

  /** All figures; accuracies from 0 to 1, log-likelihoods in nats. */
  public ObjectNode json() {
    ObjectNode root = new ObjectMapper().createObjectNode();
    root.put("merge", file.toString());
    ArrayNode list = root.putArray("models");
    for (ModelResult row : models) {
      ObjectNode model = list.addObject();
      model.put("model", row.name).put("kind", row.kind);
      row.mean(Evaluation::accuracy).ifPresent(mean -> model.put("mean_accuracy", mean));
      row.mean(EvaluationReport::likelihood)
          .ifPresent(mean -> model.put("mean_log_likelihood", mean));
      row.mean(Evaluation::perplexity).ifPresent(mean -> model.put("mean_perplexity", mean));
      ObjectNode byTask = model.putObject("tasks");
      for (String task : tasks) {
        put(row.byTask.get(task), byTask.putObject(task));
      }
    }
    return root;
  }

  /**
   * The merged model in the shape of FusionBench's reports; of several merged models, an object
   * with the report of each under its name.
   */
  public ObjectNode fusionBench() {
    List<ModelResult> merged = models.stream().filter(row -> row.kind.equals("merged")).toList();
    if (merged.size() == 1) {
      return FusionBenchReport.of(merged.get(0).byTask, parameters);
    }
    ObjectNode root = new ObjectMapper().createObjectNode();
    merged.forEach(row -> root.set(row.name, FusionBenchReport.of(row.byTask, parameters)));
    return root;
  }
}
