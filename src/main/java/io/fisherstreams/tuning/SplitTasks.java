package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.gradient.ExampleProgress;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.SelectedExamples;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.search.Scores;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * Tasks whose examples are split into two parts: on validation examples trials are compared,
 * held-out examples only show how good the result is. The split is drawn, since files often have
 * their examples class by class.
 */
final class SplitTasks implements AutoCloseable {
  /** A part of the examples. */
  enum Part {
    VALIDATION,
    HELD_OUT
  }

  /** Bytes of validation examples that stay in memory, of all tasks together. */
  private static final long KEPT_BYTES = 256L << 20;

  private record Split(TunedTask task, Map<Part, ExampleSource> parts) {}

  private final List<ExampleSource> opened = new ArrayList<>();
  private final List<Split> splits = new ArrayList<>();
  private final int batchSize;

  /**
   * Opens and splits the tasks' examples.
   *
   * @param heldOut the part that is held out, above 0 and below 1
   * @param batchSize examples that go through a model together
   * @throws InvalidInput when a task has too few examples for two in each part
   */
  SplitTasks(List<? extends TunedTask> tasks, double heldOut, long seed, int batchSize) {
    this.batchSize = batchSize;
    try {
      for (TunedTask task : tasks) {
        ExampleSource source = task.examples();
        opened.add(source);
        splits.add(
            new Split(task, parts(task.name(), source, heldOut, seed, KEPT_BYTES / tasks.size())));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private static Map<Part, ExampleSource> parts(
      String task, ExampleSource source, double heldOut, long seed, long room) {
    long count = source.count();
    int held = (int) Math.round(count * heldOut);
    if (held < 2 || count - held < 2) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: %d examples give %d for validation and %d held out; both parts need at least 2",
              task,
              count,
              count - held,
              held));
    }
    List<Long> order = LongStream.range(0, count).boxed().collect(Collectors.toList());
    Collections.shuffle(order, new Random(seed));
    return Map.of(
        Part.HELD_OUT, selected(source, order.subList(0, held), 0),
        Part.VALIDATION, selected(source, order.subList(held, order.size()), room));
  }

  private static ExampleSource selected(ExampleSource source, List<Long> indices, long room) {
    return new SelectedExamples(source, indices.stream().sorted().toList(), room);
  }

  /** How many examples of all tasks a part has. */
  long examples(Part part) {
    return splits.stream().mapToLong(split -> split.parts.get(part).count()).sum();
  }

  /**
   * Runs a merged model on all tasks.
   *
   * @return its scores by task, in the tasks' order
   * @throws InvalidInput when an example does not suit the model
   */
  Map<String, Scores> scores(Path merged, Part part, boolean needsAccuracy) {
    Map<String, Scores> byTask = new LinkedHashMap<>();
    for (Split split : splits) {
      try (ModelRuntime runtime = split.task.load(merged)) {
        List<Evaluation> items =
            Evaluation.items(runtime, split.parts.get(part), batchSize, ExampleProgress.SILENT);
        if (needsAccuracy && items.get(0).accuracy().isEmpty()) {
          throw new InvalidInput(
              "%s: the model predicts a value, which has no accuracy; measure the log-likelihood"
                  .formatted(split.task.name()));
        }
        byTask.put(split.task.name(), scores(items));
      }
    }
    return byTask;
  }

  private static Scores scores(List<Evaluation> items) {
    boolean isCounted = items.get(0).accuracy().isPresent();
    return new Scores(
        isCounted ? items.stream().map(item -> (double) item.correct()).toList() : List.of(),
        items.stream().map(Evaluation::logLikelihood).toList(),
        items.stream().map(item -> (double) item.predictions()).toList());
  }

  @Override
  public void close() {
    opened.forEach(ExampleSource::close);
  }
}
