package io.fisherstreams.simulate;

import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * The {@code simulate} command: the coordinator and the plan protocol at a size beyond one machine.
 */
@Command(
    name = "simulate",
    mixinStandardHelpOptions = true,
    description = {
      "Measures what the arrival of a model costs the coordinator and a partition of the merge stage, in time and messages, while a pool grows.",
      "The stages' own code runs without Kafka and with payloads of one element; no tensor of the real size is created. All partitions are alike: one is run, and the reports of the others to the coordinator are generated.",
      "The default size needs a heap of 4 GB (FISHER_STREAMS_HEAP=4g) and about ten minutes."
    })
public final class SimulateCommand implements Callable<Integer> {
  @Option(
      names = "--models",
      paramLabel = "N",
      defaultValue = "1000",
      description = "Models that arrive. Default: ${DEFAULT-VALUE}.")
  private int models;

  @Option(
      names = "--shards",
      paramLabel = "N",
      defaultValue = "70000",
      description =
          "Shards of each model; one is 262,144 elements. Default: ${DEFAULT-VALUE}, a model of 18 B parameters.")
  private int shards;

  @Option(
      names = "--parameters",
      paramLabel = "N",
      defaultValue = "300",
      description = "Named tensors of each model. Default: ${DEFAULT-VALUE}.")
  private int parameters;

  @Option(
      names = "--partitions",
      paramLabel = "N",
      defaultValue = "16",
      description = "Partitions of the pool. Default: ${DEFAULT-VALUE}.")
  private int partitions;

  @Option(
      names = "--work-directory",
      paramLabel = "DIR",
      description =
          "Folder for the payload files while the command runs. Default: the system's temporary folder.")
  private Path workDirectory;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Scale scale = new Scale(models, shards, parameters, partitions);
    PrintWriter out = spec.commandLine().getOut();
    try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory)) {
      PoolSimulation simulation = new PoolSimulation(scale, directory.path());
      List<Row> coordinator = simulation.coordinator();
      print(out, "coordinator, one arrival", coordinator);
      List<Row> intakes = new ArrayList<>();
      List<Row> plans = new ArrayList<>();
      simulation.partition(intakes, plans);
      print(out, "one partition of " + partitions + ", a model's records", intakes);
      print(out, "one partition of " + partitions + ", a plan", plans);
      out.printf(
          Locale.ROOT,
          "whole pool, one arrival at %,d models: %,d messages from the publisher, %,d from the stages%n",
          models,
          1 + 2L * shards,
          last(coordinator).sent() + partitions * (last(intakes).sent() + last(plans).sent()));
    }
    out.flush();
    return 0;
  }

  private static Row last(List<Row> rows) {
    return rows.get(rows.size() - 1);
  }

  private static void print(PrintWriter out, String what, List<Row> rows) {
    out.println(what);
    TextTable table = new TextTable().right().right().right().right().right().right();
    table.row("models", "milliseconds", "records in", "sent", "bytes sent", "changelog bytes");
    for (Row row : rows) {
      table.row(
          String.format(Locale.ROOT, "%,d", row.models()),
          String.format(Locale.ROOT, "%,.1f", row.seconds() * 1e3),
          String.format(Locale.ROOT, "%,d", row.received()),
          String.format(Locale.ROOT, "%,d", row.sent()),
          String.format(Locale.ROOT, "%,d", row.sentBytes()),
          String.format(Locale.ROOT, "%,d", row.changelogBytes()));
    }
    table.print(out);
    out.println();
    out.flush();
  }
}
