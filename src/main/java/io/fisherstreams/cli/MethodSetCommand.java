package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.MethodOptions;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.output.MethodText;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.coordinator.MethodChange;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Receipt;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.producer.Producer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "set",
    mixinStandardHelpOptions = true,
    description = {
      "Changes how the pool merges its models. The next release uses it; no tensor is sent again.",
      "A setting that is not given gets the method's default. Excluded parameters, groups and output dtype stay as they are."
    })
final class MethodSetCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Mixin private ReleaseWait release;

  @Parameters(
      paramLabel = "METHOD",
      description = "fisher, gradient_matching or task_arithmetic (docs/methods.md).")
  private String name;

  @Mixin private MethodOptions settings;

  @Option(
      names = "--no-groups",
      description = "Removes the groups of parameters; no model may have a coefficient in one.")
  private boolean removesGroups;

  @Option(
      names = "--strict",
      description =
          "Changes nothing when a model's small Fisher would take over the merge, or most of a model's weights would not be Fisher.")
  private boolean strict;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    MergeFormula formula = settings.formula(name, spec.commandLine());
    ParameterGroups groups = settings.groups(spec.commandLine());
    if (removesGroups && !groups.isEmpty()) {
      throw new ParameterException(
          spec.commandLine(), "--group and --no-groups are given: remove one of them");
    }
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ModelManifest sent;
    try (PoolModels models = PoolModels.open(kafka, topics);
        Receipt receipt = Receipt.open(kafka, topics, models);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      sent = changed(models.requireBase(), formula, groups);
      check(MethodChange.of(PoolViewReader.read(kafka, topics), sent));
      PoolProducer pool = new PoolProducer(topics, producer);
      pool.announce(sent);
      models.sync();
      receipt.require(pool.sent(), sent, Notes.of(spec));
    }
    PrintWriter out = spec.commandLine().getOut();
    out.println("pool " + topics.pool() + " now merges by " + MethodText.of(formula));
    release.forMethod(kafka, topics, sent.getModel(), sent.getMethod(), out);
    return 0;
  }

  private ModelManifest changed(ModelManifest base, MergeFormula formula, ParameterGroups groups) {
    MergeMethod method =
        groups.isEmpty() && !removesGroups
            ? MergeMethods.with(base.getMethod(), formula)
            : MergeMethods.with(base.getMethod(), formula, groups);
    settings.unchangedParameters().ifPresent(method::setUnchangedParameters);
    ModelManifest changed = ModelManifest.newBuilder(base).setMethod(method).build();
    ManifestRules.check(changed);
    return changed;
  }

  private void check(MethodChange change) {
    if (!change.lost().isEmpty()) {
      StringBuilder reasons = new StringBuilder();
      change
          .lost()
          .forEach(
              (model, reason) -> reasons.append("\n  ").append(model).append(": ").append(reason));
      throw new InvalidInput(
          "the method would drop models that are merged now; nothing was changed:" + reasons);
    }
    for (String warning : change.warnings()) {
      if (strict) {
        throw new InvalidInput("rejected by --strict; nothing was changed: " + warning);
      }
      spec.commandLine().getErr().println("warning: " + warning);
    }
  }
}
