package io.fisherstreams.tuning;

import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import java.nio.file.Path;

/** A task of a pool's gate. */
public record GateTask(GateOptions.Task task, Compute compute) implements TunedTask {
  @Override
  public String name() {
    return task.name();
  }

  @Override
  public ExampleSource examples() {
    return task.openExamples();
  }

  @Override
  public ModelRuntime load(Path merged) {
    return task.files(merged).load(compute);
  }
}
