package io.fisherstreams.gate;

import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ShortenedExamples;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * How releases are judged.
 *
 * @param alias moves to every release that passes
 * @param largestDrop by how much accuracy may fall below that of the best release that passed, 0 to
 *     1
 * @param batchSize examples that go through a model together
 * @param leavesSuspectsOut whether the model that makes a release fall is looked for, and left out
 *     of the merge until it is announced again
 * @param tasks the tasks that accuracy is measured on, at least one
 * @param compute where releases run on examples
 */
public record GateOptions(
    String alias,
    double largestDrop,
    int batchSize,
    boolean leavesSuspectsOut,
    List<Task> tasks,
    ComputeSettings compute) {
  /** Default of {@code largestDrop}. */
  public static final double LARGEST_DROP = 0.01;

  /** Options on the CPU. */
  public GateOptions(
      String alias,
      double largestDrop,
      int batchSize,
      boolean leavesSuspectsOut,
      List<Task> tasks) {
    this(alias, largestDrop, batchSize, leavesSuspectsOut, tasks, ComputeSettings.DEFAULT);
  }

  /** The same on another device. */
  public GateOptions on(ComputeSettings other) {
    return new GateOptions(alias, largestDrop, batchSize, leavesSuspectsOut, tasks, other);
  }

  /** The options, whose list of tasks is copied. */
  public GateOptions {
    tasks = List.copyOf(tasks);
  }

  /**
   * A set of labelled examples.
   *
   * @param name its name
   * @param model folder with {@code config.json} and, where the examples need them, {@code
   *     tokenizer.json} and {@code preprocessor_config.json}
   * @param examples as for {@link ModelFiles#examples}
   * @param head a frozen head, or empty
   * @param torchScript a module to run the release's tensors in, or empty
   * @param maxLength tokens after which the examples' texts are cut; empty for none
   */
  public record Task(
      String name,
      Path model,
      Path examples,
      Optional<Path> head,
      Optional<Path> torchScript,
      OptionalInt maxLength) {
    /** Opens the examples. */
    public ExampleSource openExamples() {
      return ShortenedExamples.of(files(model).examples(examples), maxLength);
    }

    /** The files that run a checkpoint on this task. */
    public ModelFiles files(Path checkpoint) {
      return new ModelFiles(checkpoint, model, Optional.empty(), head, torchScript);
    }
  }
}
