package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.producer.Producer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "weight",
    mixinStandardHelpOptions = true,
    description =
        "Changes a model's merge coefficient. The next release uses it; no tensor is sent again.")
final class WeightCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(index = "0", paramLabel = "MODEL", description = "The model's name.")
  private String model;

  @Parameters(
      index = "1",
      paramLabel = "LAMBDA",
      description = "The coefficient, at least 0; 'default' for 1 / number of models.")
  private String lambda;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Double coefficient = lambda.equals("default") ? null : parse(lambda);
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ModelManifest manifest = PoolModels.read(kafka, topics).require(model);
    if (manifest.getRole() == Role.BASE) {
      throw new InvalidInput(
          model + " is the pool's base model; only a fine-tuned model has a coefficient");
    }
    manifest.setCoefficient(coefficient);
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      new PoolProducer(topics, producer).announce(manifest);
    }
    spec.commandLine().getOut().println(model + " now has coefficient " + lambda);
    return 0;
  }

  private static double parse(String text) {
    try {
      double value = Double.parseDouble(text);
      if (value >= 0 && !Double.isInfinite(value)) {
        return value;
      }
    } catch (NumberFormatException e) {
      // rejected below like a number out of range
    }
    throw new InvalidInput(
        "coefficient is '" + text + "', expected a finite number of at least 0, or 'default'");
  }
}
