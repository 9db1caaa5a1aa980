package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.QuantizedWeights;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ShortenedExamples;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The models and tasks of a merge, open. A task is a fine-tuned model with evaluation examples. A
 * model runs a task with the config and head of the task's own model and with its own merged
 * parameters.
 */
public final class EvaluationTasks implements AutoCloseable {
  private final List<Checkpoint> opened = new ArrayList<>();
  private final Checkpoint base;
  private final BaseModel baseModel;
  private final MergeSet mergeSet;
  private final Compute compute;
  private final Map<String, TensorSource> models = new LinkedHashMap<>();
  private final List<Task> tasks = new ArrayList<>();

  /** A model with evaluation examples. */
  public final class Task {
    private final String name;
    private final ModelFiles files;
    private final TensorSource own;
    private final Path examples;
    private final OptionalInt maxLength;

    private Task(
        String name, ModelFiles files, TensorSource own, Path examples, OptionalInt maxLength) {
      this.name = name;
      this.files = files;
      this.own = own;
      this.examples = examples;
      this.maxLength = maxLength;
    }

    /** The name of its model. */
    public String name() {
      return name;
    }

    /** Opens its examples, with their texts cut as the model's {@code max_length} says. */
    public ExampleSource examples() {
      return ShortenedExamples.of(files.examples(examples), maxLength);
    }

    /** Loads a model with the merged parameters of {@code tensors}. */
    public ModelRuntime load(TensorSource tensors) {
      return files.load(own.with(tensors, mergeSet::merges), compute);
    }
  }

  private EvaluationTasks(MergeFile merge, Compute compute) {
    this.compute = compute;
    this.base = add(Checkpoint.open(merge.base()));
    this.baseModel = BaseModel.of(base, merge.method().excludeParamNamesRegex());
    this.mergeSet = baseModel.mergeSet();
  }

  /**
   * Opens the models and counts the tasks' examples.
   *
   * @param torchScript a module that all models run in, or empty
   * @param compute where they run
   * @throws InvalidInput when no model has evaluation examples, or a file cannot be read
   */
  public static EvaluationTasks open(MergeFile merge, Optional<Path> torchScript, Compute compute) {
    EvaluationTasks tasks = new EvaluationTasks(merge, compute);
    try {
      tasks.openModels(merge, torchScript);
      return tasks;
    } catch (RuntimeException e) {
      tasks.close();
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

  private void openModels(MergeFile merge, Optional<Path> torchScript) {
    for (MergeFile.Model model : merge.models()) {
      TensorSource own = TensorSource.of(open(model));
      models.put(model.name(), own);
      if (model.evaluationExamples().isPresent()) {
        ModelFiles files =
            ModelFiles.of(model.checkpoint(), Optional.of(merge.base()), model.head(), torchScript);
        Path examples = model.evaluationExamples().get();
        Task task = new Task(model.name(), files, own, examples, model.maxLength());
        try (ExampleSource source = task.examples()) {
          source.count();
        }
        tasks.add(task);
      }
    }
    if (tasks.isEmpty()) {
      throw new InvalidInput(
          "%s: no model has evaluation_examples: there is nothing to evaluate on; add them to at least one model"
              .formatted(merge.file()));
    }
  }

  /** The tasks, at least one, in the order of the file. */
  public List<Task> tasks() {
    return Collections.unmodifiableList(tasks);
  }

  /** All fine-tuned models by name, in the order of the file. */
  Map<String, TensorSource> models() {
    return Collections.unmodifiableMap(models);
  }

  /** The base model. */
  Checkpoint base() {
    return base;
  }

  /** The parameters that are merged. */
  List<TensorInfo> mergedParameters() {
    return baseModel.tensors().stream().filter(t -> mergeSet.merges(t.name())).toList();
  }

  @Override
  public void close() {
    opened.forEach(Checkpoint::close);
  }
}
