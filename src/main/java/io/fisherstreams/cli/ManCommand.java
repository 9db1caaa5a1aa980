package io.fisherstreams.cli;

import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "man",
    mixinStandardHelpOptions = true,
    description = "Prints the manual page of all commands, in the format of man.")
final class ManCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    ManPage page = new ManPage(spec.root().commandLine(), new Version().getVersion()[0]);
    spec.commandLine().getOut().print(page);
    return 0;
  }
}
