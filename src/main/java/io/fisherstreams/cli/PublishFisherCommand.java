package io.fisherstreams.cli;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.MadeFor;
import io.fisherstreams.cli.options.ModelOption;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.output.EpsilonWarning;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.SealedFisherWarning;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.coordinator.PoolView;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.publish.Receipt;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.producer.Producer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "fisher",
    mixinStandardHelpOptions = true,
    description = {
      "Sends a model's Fisher: a safetensors file of means of squared gradients, or Adam's exp_avg_sq.",
      "Publish the model's checkpoint first."
    })
final class PublishFisherCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(
      paramLabel = "FISHER",
      description = "File or folder, float32 or another floating type.")
  private Path path;

  @Mixin private ModelOption named;

  @Mixin private ReleaseWait release;

  @Mixin private MadeFor madeFor;

  @Option(
      names = "--num-examples",
      converter = AtLeastOne.Whole.class,
      paramLabel = "N",
      description =
          "Examples that the Fisher was computed from. Default: 'examples' of the file's metadata, else the"
              + " model's --num-examples.")
  private Long numExamples;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    String model = named.name();
    Checkpoint.open(path).close();
    madeFor.requireReadable();
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    try (PoolModels models = PoolModels.open(kafka, topics)) {
      publish(models.require(model), kafka, topics, models);
    }
    return 0;
  }

  private void publish(
      ModelManifest manifest, KafkaSettings kafka, PoolTopics topics, PoolModels models) {
    String model = manifest.getModel();
    try (Checkpoint fisher = Checkpoint.openAs(path, ManifestTensors.mergedNames(manifest));
        TerminalProgress progress = TerminalProgress.of(spec, "publish " + model)) {
      MergeFormula.Model sums = ModelCheck.fisher(fisher, manifest);
      EpsilonWarning.print(models.requireBase(), manifest, sums, spec.commandLine().getErr());
      long count =
          numExamples != null
              ? numExamples
              : ModelCheck.examples(fisher).orElse(manifest.getExamples());
      PoolView view = PoolViewReader.read(kafka, topics);
      madeFor.require(manifest, view, ModelCheck.checkpointSha256(fisher));
      SealedFisherWarning.print(view, manifest, spec.commandLine().getErr());
      progress.total(ModelCheck.fisherBytes(manifest));
      try (Receipt receipt = Receipt.open(kafka, topics, models);
          Producer<byte[], byte[]> producer = kafka.newProducer()) {
        Publisher publisher = new Publisher(topics, producer);
        publisher.fisher(
            manifest,
            fisher,
            "file:" + ModelCheck.fisherHash(fisher, manifest),
            count,
            progress::add);
        progress.done();
        receipt.require(publisher.sent(), manifest, Notes.of(spec));
      }
      PrintWriter out = spec.commandLine().getOut();
      out.println("published the Fisher of " + model + "@" + manifest.getVersion());
      release.forVersion(kafka, topics, model, manifest.getVersion(), out);
    }
  }
}
