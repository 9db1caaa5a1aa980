package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Receipt;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import org.apache.kafka.clients.producer.Producer;
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
      description = "The coefficient, at least 0; 'default' for 1 / number of models.")
  private String lambda;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Double coefficient = lambda.equals("default") ? null : parse(lambda);
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    try (PoolModels models = PoolModels.open(kafka, topics);
        Receipt receipt = Receipt.open(kafka, topics, models);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      PoolProducer pool = new PoolProducer(topics, producer);
      ModelManifest sent;
      do {
        // again, when a new version was announced between reading and sending
        sent = ModelManifest.newBuilder(fineTuned(models)).setCoefficient(coefficient).build();
        pool.announce(sent);
        models.sync();
      } while (models.find(model).filter(isAfter(sent)).isPresent());
      receipt.require(
          pool.sent(), sent, note -> spec.commandLine().getErr().println("note: " + note));
    }
    PrintWriter out = spec.commandLine().getOut();
    out.println(model + " now has coefficient " + lambda);
    release.forCoefficient(kafka, topics, model, coefficient, out);
    return 0;
  }

  private ModelManifest fineTuned(PoolModels models) {
    ModelManifest manifest = models.require(model);
    if (manifest.getRole() == Role.BASE) {
      throw new InvalidInput(
          model + " is the pool's base model; only a fine-tuned model has a coefficient");
    }
    return manifest;
  }

  private static Predicate<ModelManifest> isAfter(ModelManifest sent) {
    return found -> found.getVersion() > sent.getVersion();
  }

  private double parse(String text) {
    try {
      double value = Double.parseDouble(text);
      ManifestRules.requireWeight("LAMBDA", value);
      return value;
    } catch (NumberFormatException e) {
      throw new ParameterException(
          spec.commandLine(), "LAMBDA is '" + text + "', expected a number or 'default'", e);
    } catch (InvalidInput e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }
}
