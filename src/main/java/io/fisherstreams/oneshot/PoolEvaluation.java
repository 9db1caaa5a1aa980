package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.gradient.AveragedTensors;
import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Evaluates every model of a merge on every task: the merged model, the plain average, the base and
 * each fine-tuned model.
 */
public final class PoolEvaluation implements AutoCloseable {
  private final MergeFile merge;
  private final Runner runner;
  private final EvaluationTasks tasks;
  private final List<Checkpoint> merged = new ArrayList<>();
  private final List<Row> rows = new ArrayList<>();

  /** Runs a loaded model on examples and reports its progress. */
  @FunctionalInterface
  public interface Runner {
    Evaluation run(ExampleSource examples, ModelRuntime runtime, String title);
  }

  /** A model and its results by task. */
  private record Row(
      String name, String kind, TensorSource tensors, Map<String, Evaluation> evaluations) {

    Row(String name, String kind, TensorSource tensors) {
      this(name, kind, tensors, new LinkedHashMap<>());
    }
  }

  private PoolEvaluation(MergeFile merge, EvaluationTasks tasks, Runner runner) {
    this.merge = merge;
    this.tasks = tasks;
    this.runner = runner;
    tasks.models().forEach((name, tensors) -> rows.add(new Row(name, "fine_tuned", tensors)));
  }

  /**
   * Opens the models and counts the tasks' examples.
   *
   * @param torchScript a module that all models run in, or empty
   * @param compute where they run
   * @throws InvalidInput when no model has evaluation examples, or a file cannot be read
   */
  public static PoolEvaluation open(
      MergeFile merge, Optional<Path> torchScript, Compute compute, Runner runner) {
    return new PoolEvaluation(merge, EvaluationTasks.open(merge, torchScript, compute), runner);
  }

  /**
   * Runs each fine-tuned model on its own task: this finds files that do not fit before the merge.
   */
  public void evaluateOwnTasks() {
    for (EvaluationTasks.Task task : tasks.tasks()) {
      for (Row row : rows) {
        if (row.kind.equals("fine_tuned") && row.name.equals(task.name())) {
          evaluate(row, task);
        }
      }
    }
  }

  /**
   * Runs all models on all tasks.
   *
   * @param files the merged checkpoints by their names, in the order in which they are shown
   */
  public EvaluationReport evaluateAll(Map<String, Path> files) {
    List<Row> others = List.copyOf(rows);
    rows.clear();
    files.forEach((name, file) -> rows.add(new Row(name, "merged", open(file))));
    rows.add(new Row("plain average", "plain_average", average()));
    rows.add(new Row("base", "base", TensorSource.of(tasks.base())));
    rows.addAll(others);
    for (EvaluationTasks.Task task : tasks.tasks()) {
      for (Row row : rows) {
        evaluate(row, task);
      }
    }
    return new EvaluationReport(
        merge.file(),
        tasks.tasks().stream().map(EvaluationTasks.Task::name).toList(),
        rows.stream()
            .map(row -> new EvaluationReport.ModelResult(row.name, row.kind, row.evaluations))
            .toList(),
        tasks.base().tensors().values().stream().mapToLong(TensorInfo::elements).sum());
  }

  private TensorSource open(Path file) {
    Checkpoint checkpoint = Checkpoint.open(file);
    merged.add(checkpoint);
    return TensorSource.of(checkpoint);
  }

  private TensorSource average() {
    return new AveragedTensors(tasks.mergedParameters(), List.copyOf(tasks.models().values()));
  }

  private void evaluate(Row row, EvaluationTasks.Task task) {
    row.evaluations.computeIfAbsent(
        task.name(),
        unused -> {
          try (ExampleSource examples = task.examples();
              ModelRuntime runtime = task.load(row.tensors)) {
            return runner.run(examples, runtime, row.name + " on " + task.name());
          }
        });
  }

  @Override
  public void close() {
    merged.forEach(Checkpoint::close);
    tasks.close();
  }
}
