package io.fisherstreams.cli;

import io.fisherstreams.demo.DemoConsole;
import io.fisherstreams.demo.DemoFolder;
import io.fisherstreams.demo.DemoResult;
import io.fisherstreams.demo.DemoScenario;
import io.fisherstreams.demo.ServedPools;
import io.fisherstreams.demo.StreamedPools;
import io.fisherstreams.files.CleanUp;
import io.fisherstreams.files.TemporaryDirectory;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    description = {
      "Trains a base network and fine-tuned ones on handwritten digits, lets them arrive one after another in a running pool and shows each release.",
      "Writes merged.safetensors, a report and the pool's files for the merge command."
    })
final class DemoCommand implements Callable<Integer> {
  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      defaultValue = "fisher-streams-demo",
      description = "Folder for the results. Default: ${DEFAULT-VALUE}.")
  private Path output;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Seed of training; on one machine the same seed gives the same bytes. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--serve",
      description =
          "Shows the pool on a page in the browser, and keeps it running after the demo until ^C.")
  private boolean serve;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    DemoFolder folder = new DemoFolder(output);
    return serve ? serve(folder) : run(folder);
  }

  private int run(DemoFolder folder) {
    PrintWriter out = spec.commandLine().getOut();
    DemoResult result;
    try (TemporaryDirectory directory = TemporaryDirectory.create(null);
        StreamedPools pools = new StreamedPools(directory.path())) {
      result = pools.run(() -> new DemoScenario(seed, pools, new DemoConsole(out)).run());
      folder.write(result);
    }
    report(folder, out);
    return result.withdrawalExact() ? 0 : 1;
  }

  /** Runs the demo, then waits: the pool ends with the process. */
  private int serve(DemoFolder folder) {
    PrintWriter out = spec.commandLine().getOut();
    try (TemporaryDirectory directory = TemporaryDirectory.create(null);
        ServedPools pools =
            new ServedPools(
                directory.path(),
                page -> {
                  out.printf("watch the pool in a browser: %s%n", page);
                  out.flush();
                })) {
      CleanUp atStop = CleanUp.onStop("the demo's pool", pools::close);
      try {
        DemoResult result =
            pools.run(() -> new DemoScenario(seed, pools, new DemoConsole(out)).run());
        folder.write(result);
        report(folder, out);
        out.printf(
            "The pool runs until ^C. In another terminal: bin/fisher-streams status --local %s%n",
            pools.home());
        out.flush();
        pools.awaitEnd();
        return result.withdrawalExact() ? 0 : 1;
      } finally {
        atStop.close();
      }
    }
  }

  private static void report(DemoFolder folder, PrintWriter out) {
    out.printf("%nmerged model  %s%nreport        %s%n", folder.merged(), folder.report());
    out.printf(
        "to make the same merge as one command: bin/fisher-streams merge %s -o merged.safetensors%n",
        folder.mergeFile());
    out.flush();
  }
}
