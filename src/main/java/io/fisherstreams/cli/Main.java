package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import io.fisherstreams.bench.BenchCommand;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.files.CleanUp;
import io.fisherstreams.kafka.MissingRight;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.simulate.SimulateCommand;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.util.Locale;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The {@code fisher-streams} command. Exit codes: 0, 1 failure, 2 usage, 3 a pool that waits. */
@Command(
    name = "fisher-streams",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    description =
        "Merges fine-tuned models continuously, with diagonal Fisher weights, on Kafka Streams.",
    synopsisSubcommandLabel = "COMMAND",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:success",
      "1:failure; the message says what was wrong",
      "2:wrong usage",
      "3:status only: a model waits, or the newest release is too old"
    },
    subcommands = {
      DemoCommand.class,
      MergeCommand.class,
      FisherCommand.class,
      EvaluateCommand.class,
      TuneCommand.class,
      ServeCommand.class,
      RunCommand.class,
      BenchCommand.class,
      SimulateCommand.class,
      TopicsCommand.class,
      PublishCommand.class,
      WithdrawCommand.class,
      WeightCommand.class,
      MethodCommand.class,
      StatusCommand.class,
      DeadLettersCommand.class,
      ReleasesCommand.class,
      AliasCommand.class,
      RollbackCommand.class,
      WebhooksCommand.class,
      ExportCommand.class,
      SimilarityCommand.class,
      CompletionCommand.class,
      ManCommand.class,
      CommandLine.HelpCommand.class
    })
public final class Main implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(Main.class);

  private static final String UNEXPECTED =
      "unexpected failure; FISHER_STREAMS_OPTS=-Dfisherstreams.log=DEBUG shows where it happened";

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }

  /** Runs the command line and returns its exit code. */
  public static int run(String... args) {
    return commandLine().execute(args);
  }

  static CommandLine commandLine() {
    // One method reference for both types: Java 17 crashes when it archives two of the same kind.
    ITypeConverter<Long> whole = Numbers::whole;
    ITypeConverter<Double> decimal = Numbers::decimal;
    return new CommandLine(new Main())
        .setCaseInsensitiveEnumValuesAllowed(true)
        .registerConverter(Long.class, whole)
        .registerConverter(long.class, whole)
        .registerConverter(Double.class, decimal)
        .registerConverter(double.class, decimal)
        .setParameterExceptionHandler(new WrongUsage())
        .setExecutionExceptionHandler(
            (error, line, parsed) -> {
              if (CleanUp.isStopping()) {
                return 1; // it failed because the process is being stopped
              }
              Throwable cause = error;
              while (cause.getCause() != null
                  && !(cause instanceof InvalidInput)
                  && !saysWhatFailed(cause)) {
                cause = cause.getCause();
              }
              String message = describe(cause);
              if (!(cause instanceof InvalidInput)) {
                message = MissingRight.text(error).orElse(message);
              }
              message += where(line, error, message);
              line.getErr().println("fisher-streams: " + Secrets.mask(message));
              LOG.debug("the command failed", error);
              return 1;
            });
  }

  /** The client and its cluster, where a message needs them and the command has a cluster. */
  private static String where(CommandLine line, Throwable error, String message) {
    Optional<Connection> connection =
        line.getCommandSpec().mixins().values().stream()
            .map(CommandSpec::userObject)
            .filter(Connection.class::isInstance)
            .map(Connection.class::cast)
            .findFirst();
    if (connection.isEmpty()) {
      return "";
    }
    if (MissingRight.find(error).isPresent()) {
      return "; " + connection.get().client();
    }
    return message.contains(PoolAdmin.CREATE) ? connection.get().clusterOptions() : "";
  }

  /** The reason of an I/O error alone does not say which of the files it was. */
  private static boolean saysWhatFailed(Throwable error) {
    return error instanceof SchemaRegistry.Unreachable
        || (error instanceof UncheckedIOException
            && !error.getCause().toString().equals(error.getMessage()));
  }

  /** The message for the user: what failed and why, never the class of an exception. */
  static String describe(Throwable cause) {
    if (saysWhatFailed(cause)) {
      return cause.getMessage() + ": " + reason(cause.getCause());
    }
    return cause instanceof FileSystemException failed && failed.getReason() == null
        ? failed.getFile() + ": " + reason(failed)
        : reason(cause);
  }

  private static String reason(Throwable cause) {
    String reason =
        cause instanceof IOException failed ? InvalidInput.reason(failed) : cause.getMessage();
    return reason == null ? UNEXPECTED : reason;
  }

  /** Entry point. */
  public static void main(String[] args) {
    // Data, file names, tables and libraries are the same in every locale.
    Locale.setDefault(Locale.ROOT);
    StandardError.follow();
    // Java would print the failure as it is, secrets included.
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, failure) -> LOG.error("thread {} has failed", thread.getName(), failure));
    System.exit(run(args));
  }
}
