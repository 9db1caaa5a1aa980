package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.QuantizedWeights;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.AveragedTensors;
import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Evaluates every model of a merge on every task: the merged model, the plain average, the base and
 * each fine-tuned model. A task is a fine-tuned model with evaluation examples. Each model runs a
 * task with the config and head of the task's own model and with its own merged parameters.
 */
public final class PoolEvaluation implements AutoCloseable {
  private final MergeFile merge;
  private final Runner runner;
  private final List<Checkpoint> opened = new ArrayList<>();
  private final Checkpoint base;
  private final BaseModel baseModel;
  private final MergeSet mergeSet;
  private final Map<MergeFile.Model, TensorSource> models = new LinkedHashMap<>();
  private final List<Task> tasks = new ArrayList<>();
  private final List<Row> rows = new ArrayList<>();

  /** Runs a loaded model on examples and reports its progress. */
  @FunctionalInterface
  public interface Runner {
    Evaluation run(ExampleSource examples, ModelRuntime runtime, String title);
  }

  /**
   * A model with evaluation examples.
   *
   * @param own its tensors, under the base's names
   */
  private record Task(String name, ModelFiles files, TensorSource own, Path examples) {}

  /** A model and its results by task. */
  private record Row(
      String name, String kind, TensorSource tensors, Map<String, Evaluation> evaluations) {

    Row(String name, String kind, TensorSource tensors) {
      this(name, kind, tensors, new LinkedHashMap<>());
    }
  }

  private PoolEvaluation(MergeFile merge, Runner runner) {
    this.merge = merge;
    this.runner = runner;
    this.base = add(Checkpoint.open(merge.base()));
    this.baseModel = BaseModel.of(base, merge.method().excludeParamNamesRegex());
    this.mergeSet = baseModel.mergeSet();
  }

  /**
   * Opens the models and counts the tasks' examples.
   *
   * @param torchScript a module that all models run in, or empty
   * @throws InvalidInput when no model has evaluation examples, or a file cannot be read
   */
  public static PoolEvaluation open(MergeFile merge, Optional<Path> torchScript, Runner runner) {
    PoolEvaluation pool = new PoolEvaluation(merge, runner);
    try {
      pool.openModels(torchScript);
      return pool;
    } catch (RuntimeException e) {
      pool.close();
      throw e;
    }
  }

  private Checkpoint add(Checkpoint checkpoint) {
    opened.add(checkpoint);
    return checkpoint;
  }

  private Checkpoint open(MergeFile.Model model) {
    String what = "model '" + model.name() + "'";
    Checkpoint checkpoint = add(baseModel.open(model.checkpoint()));
    QuantizedWeights.reject(what, checkpoint, name -> false);
    ModelCheck.requireMerged(what, checkpoint, mergedParameters());
    return checkpoint;
  }

  private List<TensorInfo> mergedParameters() {
    return baseModel.tensors().stream().filter(t -> mergeSet.merges(t.name())).toList();
  }

  private void openModels(Optional<Path> torchScript) {
    for (MergeFile.Model model : merge.models()) {
      TensorSource own = TensorSource.of(open(model));
      models.put(model, own);
      if (model.evaluationExamples().isPresent()) {
        Path examples = model.evaluationExamples().get();
        ModelFiles files = ModelFiles.of(model.checkpoint(), model.head(), torchScript);
        try (ExampleSource source = files.examples(examples)) {
          source.count();
        }
        tasks.add(new Task(model.name(), files, own, examples));
      }
    }
    if (tasks.isEmpty()) {
      throw new InvalidInput(
          "%s: no model has evaluation_examples: there is nothing to evaluate on; add them to at least one model"
              .formatted(merge.file()));
    }
    models.forEach((model, tensors) -> rows.add(new Row(model.name(), "fine_tuned", tensors)));
  }

  /**
   * Runs each fine-tuned model on its own task: this finds files that do not fit before the merge.
   */
  public void evaluateOwnTasks() {
    for (Task task : tasks) {
      for (Row row : rows) {
        if (row.kind.equals("fine_tuned") && row.name.equals(task.name)) {
          evaluate(row, task);
        }
      }
    }
  }

  /**
   * Runs all models on all tasks.
   *
   * @param merged the merged checkpoints by their names, in the order in which they are shown
   */
  public EvaluationReport evaluateAll(Map<String, Path> merged) {
    List<Row> others = List.copyOf(rows);
    rows.clear();
    merged.forEach(
        (name, file) ->
            rows.add(new Row(name, "merged", TensorSource.of(add(Checkpoint.open(file))))));
    rows.add(new Row("plain average", "plain_average", average()));
    rows.add(new Row("base", "base", TensorSource.of(base)));
    rows.addAll(others);
    for (Task task : tasks) {
      for (Row row : rows) {
        evaluate(row, task);
      }
    }
    return new EvaluationReport(
        merge.file(),
        tasks.stream().map(Task::name).toList(),
        rows.stream()
            .map(row -> new EvaluationReport.ModelResult(row.name, row.kind, row.evaluations))
            .toList(),
        base.tensors().values().stream().mapToLong(TensorInfo::elements).sum());
  }

  private TensorSource average() {
    return new AveragedTensors(mergedParameters(), List.copyOf(models.values()));
  }

  private void evaluate(Row row, Task task) {
    row.evaluations.computeIfAbsent(
        task.name,
        unused -> {
          try (ExampleSource examples = task.files.examples(task.examples);
              ModelRuntime runtime =
                  task.files.load(task.own.with(row.tensors, mergeSet::merges))) {
            return runner.run(examples, runtime, row.name + " on " + task.name);
          }
        });
  }

  @Override
  public void close() {
    opened.forEach(Checkpoint::close);
  }
}
