package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.PoolChanges;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.PoolTopics;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "weight",
    mixinStandardHelpOptions = true,
    description =
        "Changes a model's merge coefficient. The next release uses it; no tensor is sent again.")
final class WeightCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Mixin private ReleaseWait release;

  @Parameters(index = "0", paramLabel = "MODEL", description = "The model's name.")
  private String model;

  @Parameters(
      index = "1",
      paramLabel = "LAMBDA",
      description =
          "The coefficient, at least 0, below 0 for task_arithmetic only; 'default' for the method's default.")
  private String lambda;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Double coefficient = lambda.equals("default") ? null : parse(lambda);
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    new PoolChanges(kafka, topics).weight(model, coefficient, Notes.of(spec));
    PrintWriter out = spec.commandLine().getOut();
    out.println(model + " now has coefficient " + lambda);
    release.forCoefficient(kafka, topics, model, coefficient, out);
    return 0;
  }

  private double parse(String text) {
    try {
      double value = Double.parseDouble(text);
      ManifestRules.requireCoefficient("LAMBDA", value);
      return value;
    } catch (NumberFormatException e) {
      throw new ParameterException(
          spec.commandLine(), "LAMBDA is '" + text + "', expected a number or 'default'", e);
    } catch (InvalidInput e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }
}
