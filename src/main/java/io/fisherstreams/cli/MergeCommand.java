package io.fisherstreams.cli;

import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.ComputeOptions;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.EnumName;
import io.fisherstreams.cli.options.OutputDtype;
import io.fisherstreams.cli.options.OutputOptions;
import io.fisherstreams.cli.output.MethodText;
import io.fisherstreams.cli.output.TerminalListener;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.config.MergekitFile;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.oneshot.OneShotMerge;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "merge",
    mixinStandardHelpOptions = true,
    description = {
      "Merges the models of a YAML file once and writes the merged model. Where every Fisher is a file, it reads the files and needs no broker; otherwise a broker and all stages run in its own process.",
      "With --bootstrap-servers and --schema-registry it uses that cluster, in topics of its own, which it deletes afterwards."
    })
final class MergeCommand implements Callable<Integer> {
  @Parameters(
      arity = "0..1",
      paramLabel = "MERGE.YAML",
      description = "The file that names base, models and method (docs/merge-yaml.md).")
  private Path yaml;

  @Option(
      names = "--mergekit",
      paramLabel = "CONFIG.YML",
      description =
          "Instead of MERGE.YAML: a configuration of mergekit with a linear merge or task_arithmetic (docs/from-mergekit.md).")
  private Path mergekit;

  @Mixin private OutputOptions output;

  @Option(
      names = "--dtype",
      paramLabel = "DTYPE",
      description =
          "Type of all floating tensors (${COMPLETION-CANDIDATES}); a value beyond its range becomes infinite. Default: the base's.")
  private OutputDtype dtype;

  @Option(
      names = "--strict",
      description =
          "Rejects a model whose small Fisher would take over the merge, and weights of which most are not Fisher, instead of printing a warning.")
  private boolean strict;

  @Option(
      names = "--trust-remote-code",
      description =
          "For an output folder: also copies Python files of the base's folder; they run when the model is loaded with trust_remote_code.")
  private boolean trustsCode;

  @Option(
      names = "--partitions",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "" + OneShotMerge.Inputs.DEFAULT_PARTITIONS,
      description =
          "Partitions of the topics of --embedded-pipeline or a cluster. The result does not depend on them. Default: ${DEFAULT-VALUE}.")
  private int partitions;

  @Option(
      names = "--threads",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      description =
          "Threads that merge. The result does not depend on them. Default: one a processor.")
  private int threads = Runtime.getRuntime().availableProcessors();

  @Option(
      names = "--kernel",
      converter = EnumName.OfKernel.class,
      paramLabel = "KERNEL",
      defaultValue = "auto",
      description =
          "What adds the models: java, nd4j, or auto, which is nd4j if it uses a GPU and is faster there. The result does not depend on it. Default: ${DEFAULT-VALUE}.")
  private KernelName kernel;

  @Option(
      names = "--embedded-pipeline",
      description =
          "Streams the models through a Kafka broker and the stages in this process, as a pool does, even where the files alone would do. The result has the same bytes.")
  private boolean streams;

  @Option(
      names = "--work-directory",
      paramLabel = "DIR",
      description =
          "Where broker and stages keep their data, if the models are streamed: with --embedded-pipeline, on a cluster, or with examples. About 9 bytes a parameter and model. Default: the system's temporary folder.")
  private Path workDirectory;

  @Mixin private ComputeOptions compute;

  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    output.requireFolder("--trust-remote-code", trustsCode);
    connection.requireOneShot();
    long partBytes = output.partBytes();
    if ((yaml == null) == (mergekit == null)) {
      throw new ParameterException(
          spec.commandLine(), "give MERGE.YAML or --mergekit, one of them");
    }
    Optional<MergekitFile> foreign = Optional.ofNullable(mergekit).map(MergekitFile::read);
    MergeFile file = foreign.map(MergekitFile::merge).orElseGet(() -> MergeFile.read(yaml));
    GradientOptions gradient = connection.config().gradient();
    OneShotMerge.Inputs inputs =
        new OneShotMerge.Inputs(
            file,
            output.path(),
            partBytes,
            Optional.ofNullable(dtype)
                .map(type -> DType.valueOf(type.name()))
                .or(() -> foreign.flatMap(MergekitFile::dtype)),
            strict,
            trustsCode,
            streams,
            partitions,
            threads,
            kernel,
            Optional.ofNullable(workDirectory),
            gradient.on(compute.over(file.compute().orElse(gradient.compute()))),
            cluster(connection));
    print(OneShotMerge.run(inputs, new TerminalListener(spec)), spec.commandLine().getOut());
    return 0;
  }

  /** The cluster for a merge with a new pool name; empty when the user named no brokers. */
  static Optional<OneShotMerge.Cluster> cluster(Connection connection) {
    return connection.isGiven()
        ? Optional.of(
            new OneShotMerge.Cluster(
                connection.kafka(),
                connection.topics(PoolAdmin.newOneShotPool()),
                Optional.ofNullable(connection.config().replication())))
        : Optional.empty();
  }

  /**
   * A merge inside another command, with the options that only {@code merge} has at their defaults.
   *
   * @param workDirectory null for the system's temporary folder
   * @param compute where Fishers are estimated
   */
  static OneShotMerge.Inputs inputs(
      MergeFile file,
      Path output,
      Path workDirectory,
      Connection connection,
      ComputeSettings compute) {
    return inputs(
        file,
        output,
        Optional.empty(),
        workDirectory,
        connection.config().gradient().on(compute),
        cluster(connection));
  }

  /**
   * A merge of files inside another command, without a cluster.
   *
   * @param dtype of all floating tensors, null for the base's
   * @param workDirectory null for the system's temporary folder
   */
  static OneShotMerge.Inputs inputs(MergeFile file, Path output, String dtype, Path workDirectory) {
    return inputs(
        file,
        output,
        Optional.ofNullable(dtype).map(DType::valueOf),
        workDirectory,
        GradientOptions.standard(),
        Optional.empty());
  }

  private static OneShotMerge.Inputs inputs(
      MergeFile file,
      Path output,
      Optional<DType> dtype,
      Path workDirectory,
      GradientOptions gradient,
      Optional<OneShotMerge.Cluster> cluster) {
    return new OneShotMerge.Inputs(
        file,
        output,
        Long.MAX_VALUE,
        dtype,
        false,
        false,
        false,
        OneShotMerge.Inputs.DEFAULT_PARTITIONS,
        Runtime.getRuntime().availableProcessors(),
        KernelName.AUTO,
        Optional.ofNullable(workDirectory),
        gradient,
        cluster);
  }

  /** Prints the models with their shares, the checksum and the output. */
  static void print(OneShotMerge.Result result, PrintWriter out) {
    MergePlan plan = result.release().getPlan();
    MergeFormula formula = MergeMethods.formula(plan.getMethod());
    TextTable table = new TextTable().left().right().right().right().right();
    table.row("MODEL", "COEFFICIENT", "FISHER NORM", "SHARE", "NOT FISHER");
    for (PlannedModel model : plan.getModels()) {
      Coefficients given = PlannedModels.given(plan, model);
      table.row(
          model.getModel(),
          given.ownText(),
          formula.readsFishers() ? String.format(Locale.ROOT, "%.6g", model.getFisherNorm()) : "-",
          EpsilonShares.percent(model.getShare()),
          formula.readsFishers() ? EpsilonShares.percent(model.getEpsilonShare()) : "-");
      given.lineOfGroups().ifPresent(table::line);
    }
    table.print(out);
    out.println("method " + MethodText.of(plan));
    result.tensors().lines().forEach(out::println);
    out.printf("release checksum %s%n", result.release().getChecksum());
    out.println("wrote " + result.output());
    out.flush();
  }
}
