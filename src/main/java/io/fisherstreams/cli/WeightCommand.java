package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.PoolChanges;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.PoolTopics;
import java.io.PrintWriter;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "weight",
    mixinStandardHelpOptions = true,
    description =
        "Changes a model's merge coefficient. The next release uses it; no tensor is sent again. A model's coefficients in groups of parameters stay as they are; --group changes one of them.")
final class WeightCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Mixin private ReleaseWait release;

  @Parameters(index = "0", paramLabel = "MODEL", description = "The model's name.")
  private String model;

  @Parameters(
      index = "1",
      paramLabel = "LAMBDA",
      description =
          "The coefficient, at least 0, below 0 for task_arithmetic only; 'default' for the method's default, with --group for the model's coefficient outside the groups.")
  private String lambda;

  @Option(
      names = "--group",
      paramLabel = "NAME",
      description = "Changes the coefficient in this group of parameters only (docs/methods.md).")
  private String group;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    OptionalDouble coefficient =
        lambda.equals("default") ? OptionalDouble.empty() : OptionalDouble.of(parse(lambda));
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    Coefficients after =
        new PoolChanges(kafka, topics)
            .weight(
                model,
                before ->
                    group == null
                        ? new Coefficients(coefficient, before.ofGroups())
                        : before.with(group, coefficient),
                Notes.of(spec));
    PrintWriter out = spec.commandLine().getOut();
    out.println(
        model + " now has coefficient " + lambda + (group == null ? "" : " in group " + group));
    release.forCoefficients(kafka, topics, model, after, out);
    return 0;
  }

  private double parse(String text) {
    try {
      double value = Double.parseDouble(text);
      CoefficientRules.requireCoefficient("LAMBDA", value);
      return value;
    } catch (NumberFormatException e) {
      throw new ParameterException(
          spec.commandLine(), "LAMBDA is '" + text + "', expected a number or 'default'", e);
    } catch (InvalidInput e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }
}
