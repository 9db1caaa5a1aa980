package io.fisherstreams.oneshot;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.gradient.Evaluation;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/** A model's results in the shape that FusionBench's task pools write. */
public final class FusionBenchReport {
  private FusionBenchReport() {}

  /**
   * The report: {@code model_info}, accuracy and loss of each task, and their averages. The loss is
   * the mean negative log-likelihood, in nats.
   *
   * @param byTask the results by task, at least one
   * @param parameters how many the model has
   */
  public static ObjectNode of(Map<String, Evaluation> byTask, long parameters) {
    ObjectNode root = new ObjectMapper().createObjectNode();
    root.putObject("model_info")
        .put("trainable_params", parameters)
        .put("all_params", parameters)
        .put("trainable_percentage", 1.0);
    byTask.forEach(
        (task, evaluation) ->
            put(root, task, evaluation.accuracy(), -evaluation.meanLogLikelihood()));
    List<Evaluation> all = List.copyOf(byTask.values());
    // A task whose label is a value has no accuracy, and then the average has none.
    OptionalDouble accuracy =
        all.stream().allMatch(evaluation -> evaluation.accuracy().isPresent())
            ? all.stream().mapToDouble(evaluation -> evaluation.accuracy().getAsDouble()).average()
            : OptionalDouble.empty();
    double loss =
        all.stream().mapToDouble(evaluation -> -evaluation.meanLogLikelihood()).average().orElse(0);
    put(root, "average", accuracy, loss);
    return root;
  }

  private static void put(ObjectNode root, String name, OptionalDouble accuracy, double loss) {
    ObjectNode figures = root.putObject(name);
    accuracy.ifPresent(value -> figures.put("accuracy", value));
    figures.put("loss", loss);
  }
}
