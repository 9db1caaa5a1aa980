package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "run",
    mixinStandardHelpOptions = true,
    description = {
      "Runs stages as services until it is stopped: on SIGTERM and SIGINT they leave their groups, and the exit code is 143 or 130.",
      "Every instance needs a state directory of its own; instances of a stage share its work."
    })
final class RunCommand implements Callable<Integer> {
  private static final class Which {
    @Option(
        names = "--stages",
        split = ",",
        paramLabel = "STAGE",
        description = "Stages to run: ${COMPLETION-CANDIDATES}, separated by commas.")
    private List<Stage> stages;

    @Option(
        names = "--all",
        description = "Runs every stage; gate and webhooks when they are configured.")
    private boolean all;
  }

  @ArgGroup(multiplicity = "1")
  private Which which;

  @Mixin private Connection connection;

  @Option(
      names = "--state-directory",
      paramLabel = "DIR",
      description = "Overrides the configuration's state_directory.")
  private Path stateDirectory;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    ServiceConfig config = connection.config();
    Set<Stage> stages = which.all ? RunningStages.configured(config) : EnumSet.copyOf(which.stages);
    PoolTopics topics = connection.forService().topics();
    RunningStages running =
        new RunningStages(
            stages,
            config,
            connection.kafka(),
            topics,
            stateDirectory != null ? stateDirectory : config.stateDirectory());
    // The virtual machine waits for its hooks: closing there gives every stage a clean end.
    Runtime.getRuntime().addShutdownHook(new Thread(running::close, "stop"));
    try {
      running.start();
      spec.commandLine()
          .getOut()
          .println(
              "running "
                  + String.join(", ", stages.stream().map(Stage::text).toList())
                  + " of pool "
                  + topics.pool());
      spec.commandLine().getOut().flush();
      running.awaitEnd(new CompletableFuture<>());
    } finally {
      running.close();
    }
    running.requireNoFailure();
    return 0;
  }
}
