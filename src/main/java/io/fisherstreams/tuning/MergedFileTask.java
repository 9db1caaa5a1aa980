package io.fisherstreams.tuning;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.oneshot.EvaluationTasks;
import java.nio.file.Path;

/** A task of a merge.yaml. */
public record MergedFileTask(EvaluationTasks.Task task) implements TunedTask {
  @Override
  public String name() {
    return task.name();
  }

  @Override
  public ExampleSource examples() {
    return task.examples();
  }

  /** The runtime has copied the parameters when it is loaded. */
  @Override
  public ModelRuntime load(Path merged) {
    try (Checkpoint checkpoint = Checkpoint.open(merged)) {
      return task.load(TensorSource.of(checkpoint));
    }
  }
}
