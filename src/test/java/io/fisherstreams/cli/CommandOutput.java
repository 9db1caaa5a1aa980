package io.fisherstreams.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;

/** How a command in this process ended, and what it printed. */
record CommandOutput(int exit, String out, String err) {
  /** Runs a command. */
  static CommandOutput of(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine line = Main.commandLine();
    int exit = line.setOut(new PrintWriter(out)).setErr(new PrintWriter(err)).execute(arguments);
    return new CommandOutput(exit, out.toString(), err.toString());
  }
}
