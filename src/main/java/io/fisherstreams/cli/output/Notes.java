package io.fisherstreams.cli.output;

import java.util.function.Consumer;
import picocli.CommandLine.Model.CommandSpec;

/** Remarks of a command on standard error: what a user should know, and need not act on. */
public final class Notes {
  private Notes() {}

  /** Prints each remark on a line of its own. */
  public static Consumer<String> of(CommandSpec spec) {
    return note -> spec.commandLine().getErr().println("note: " + note);
  }
}
