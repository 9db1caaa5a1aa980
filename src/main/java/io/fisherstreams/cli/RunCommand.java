package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.coordinator.CoordinatorStage;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.gate.GateStage;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.merge.MergeStage;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.webhook.WebhookStage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
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
    Set<Stage> stages = which.all ? configured() : EnumSet.copyOf(which.stages);
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    List<StageInstance> runners = new ArrayList<>();
    try {
      for (Stage stage : stages) {
        runners.add(create(stage, kafka, topics));
      }
      CompletableFuture<?>[] ends =
          runners.stream().map(StageInstance::ended).toArray(CompletableFuture[]::new);
      // The virtual machine waits for its hooks: closing there gives every stage a clean end.
      Thread hook = new Thread(() -> runners.forEach(StageInstance::close), "stop");
      Runtime.getRuntime().addShutdownHook(hook);
      runners.forEach(StageInstance::start);
      spec.commandLine()
          .getOut()
          .println(
              "running "
                  + String.join(", ", stages.stream().map(Stage::text).toList())
                  + " of pool "
                  + topics.pool());
      spec.commandLine().getOut().flush();
      CompletableFuture.anyOf(ends).join();
    } finally {
      runners.forEach(StageInstance::close);
    }
    for (StageInstance runner : runners) {
      Optional<Throwable> cause = runner.ended().getNow(Optional.empty());
      if (cause.isPresent()) {
        throw new IllegalStateException(cause.get().getMessage(), cause.get());
      }
    }
    return 0;
  }

  private Set<Stage> configured() {
    Set<Stage> stages = EnumSet.allOf(Stage.class);
    if (connection.config().gate().isEmpty()) {
      stages.remove(Stage.GATE);
    }
    if (connection.config().webhooks().isEmpty()) {
      stages.remove(Stage.WEBHOOKS);
    }
    return stages;
  }

  private StageInstance create(Stage stage, KafkaSettings kafka, PoolTopics topics) {
    ServiceConfig config = connection.config();
    Path directory = stateDirectory != null ? stateDirectory : config.stateDirectory();
    Path own = directory.resolve(stage.text());
    StreamsOptions options =
        new StreamsOptions(
            own,
            stage == Stage.MERGE ? config.mergeThreads() : 1,
            config.standbys(),
            config.replication() == null ? -1 : config.replication());
    return switch (stage) {
      case GRADIENT -> GradientStage.create(kafka, topics, config.gradient(), own);
      case MERGE -> MergeStage.create(kafka, topics, options);
      case COORDINATOR -> CoordinatorStage.create(kafka, topics, options, config.policy());
      case GATE ->
          GateStage.create(
              kafka,
              topics,
              config.gate().orElseThrow(() -> new InvalidInput("the configuration has no gate")),
              options.stateDirectory());
      case WEBHOOKS -> WebhookStage.create(kafka, topics, config.webhooks());
    };
  }
}
