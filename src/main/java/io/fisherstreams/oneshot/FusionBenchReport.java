package io.fisherstreams.oneshot;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.record.TaskAccuracy;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;

/** A model's results in the shape that FusionBench's task pools write. */
public final class FusionBenchReport {
  private FusionBenchReport() {}

  /**
   * The figures of a task.
   *
   * @param accuracy from 0 to 1; empty when the task's labels are values
   * @param loss the mean negative log-likelihood, in nats; empty when it was not measured
   */
  record Figures(OptionalDouble accuracy, OptionalDouble loss) {}

  /**
   * The report: {@code model_info}, accuracy and loss of each task, and their averages. The loss is
   * the mean negative log-likelihood, in nats.
   *
   * @param byTask the results by task, at least one
   * @param parameters how many the model has
   */
  public static ObjectNode of(Map<String, Evaluation> byTask, long parameters) {
    Map<String, Figures> figures = new LinkedHashMap<>();
    byTask.forEach(
        (task, evaluation) ->
            figures.put(
                task,
                new Figures(
                    evaluation.accuracy(), OptionalDouble.of(-evaluation.meanLogLikelihood()))));
    return ofFigures(figures, parameters);
  }

  /**
   * The report of a release that a gate has judged.
   *
   * @param tasks the verdict's, at least one
   * @param parameters how many the release has
   */
  public static ObjectNode of(List<TaskAccuracy> tasks, long parameters) {
    Map<String, Figures> figures = new LinkedHashMap<>();
    for (TaskAccuracy task : tasks) {
      figures.put(
          task.getTask(),
          new Figures(
              OptionalDouble.of(task.getAccuracy()),
              task.getLoss() == null ? OptionalDouble.empty() : OptionalDouble.of(task.getLoss())));
    }
    return ofFigures(figures, parameters);
  }

  private static ObjectNode ofFigures(Map<String, Figures> byTask, long parameters) {
    ObjectNode root = new ObjectMapper().createObjectNode();
    root.putObject("model_info")
        .put("trainable_params", parameters)
        .put("all_params", parameters)
        .put("trainable_percentage", 1.0);
    byTask.forEach((task, figures) -> put(root, task, figures));
    put(root, "average", new Figures(mean(byTask, Figures::accuracy), mean(byTask, Figures::loss)));
    return root;
  }

  /** Empty when a task does not have the figure. */
  private static OptionalDouble mean(
      Map<String, Figures> byTask, Function<Figures, OptionalDouble> figure) {
    return byTask.values().stream().map(figure).allMatch(OptionalDouble::isPresent)
        ? byTask.values().stream().map(figure).mapToDouble(OptionalDouble::getAsDouble).average()
        : OptionalDouble.empty();
  }

  private static void put(ObjectNode root, String name, Figures figures) {
    ObjectNode node = root.putObject(name);
    figures.accuracy().ifPresent(value -> node.put("accuracy", value));
    figures.loss().ifPresent(value -> node.put("loss", value));
  }
}
