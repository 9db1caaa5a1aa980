package io.fisherstreams.cli.output;

import io.fisherstreams.oneshot.MergeListener;
import io.fisherstreams.oneshot.TaskProgress;
import picocli.CommandLine.Model.CommandSpec;

/** Shows a merge's tasks and warnings on a command's standard error. */
public final class TerminalListener implements MergeListener {
  private final CommandSpec spec;

  public TerminalListener(CommandSpec spec) {
    this.spec = spec;
  }

  @Override
  public TaskProgress begin(String task, Unit unit) {
    return switch (unit) {
      case BYTES -> TerminalProgress.of(spec, task);
      case EXAMPLES -> TerminalProgress.ofExamples(spec, task);
    };
  }

  @Override
  public void warn(String message) {
    spec.commandLine().getErr().println("warning: " + message);
  }

  @Override
  public void note(String message) {
    spec.commandLine().getErr().println("note: " + message);
  }
}
