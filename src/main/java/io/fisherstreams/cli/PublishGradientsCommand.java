package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.MadeFor;
import io.fisherstreams.cli.options.ModelOption;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.SealedFisherWarning;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.coordinator.PoolView;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.publish.Receipt;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.function.LongConsumer;
import org.apache.kafka.clients.producer.Producer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "gradients",
    mixinStandardHelpOptions = true,
    description = {
      "Sends per-example gradients: a safetensors file with a tensor [examples, *shape] for every merged parameter.",
      "The merge stage squares them."
    })
final class PublishGradientsCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(paramLabel = "GRADIENTS", description = "A safetensors file, float32.")
  private Path path;

  @Mixin private ModelOption named;

  @Mixin private ReleaseWait release;

  @Mixin private MadeFor madeFor;

  @Option(
      names = "--source",
      required = true,
      paramLabel = "NAME",
      description = "Who computed the gradients. Each pair of source and sequence counts once.")
  private String source;

  @Option(
      names = "--sequence",
      required = true,
      paramLabel = "N",
      description =
          "Number of the first example within its source; the next examples have the next numbers.")
  private long sequence;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    if (source.startsWith("@")) {
      throw new InvalidInput(
          "--source '" + source + "': names that begin with '@' are reserved for the pipeline");
    }
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
    try (Checkpoint gradients = Checkpoint.openAs(path, ManifestTensors.mergedNames(manifest));
        TerminalProgress progress = TerminalProgress.of(spec, "publish " + model)) {
      long examples = ModelCheck.gradients(gradients, manifest);
      PoolView view = PoolViewReader.read(kafka, topics);
      madeFor.require(manifest, view, ModelCheck.checkpointSha256(gradients));
      SealedFisherWarning.print(view, manifest, spec.commandLine().getErr());
      progress.total(examples * ModelCheck.fisherBytes(manifest));
      try (Receipt receipt = Receipt.open(kafka, topics, models);
          Producer<byte[], byte[]> producer = kafka.newProducer()) {
        Publisher publisher = new Publisher(topics, producer);
        send(publisher, manifest, gradients, examples, progress::add);
        progress.done();
        receipt.require(publisher.sent(), manifest, Notes.of(spec));
      }
      PrintWriter out = spec.commandLine().getOut();
      out.println("published gradients of " + examples + " examples for " + model);
      release.forVersion(kafka, topics, model, manifest.getVersion(), out);
    }
  }

  private void send(
      Publisher publisher,
      ModelManifest manifest,
      Checkpoint gradients,
      long examples,
      LongConsumer sent) {
    for (TensorInfo tensor : ManifestTensors.merged(manifest)) {
      for (long example = 0; example < examples; example++) {
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          publisher.gradientBatch(
              manifest,
              shard,
              source,
              sequence + example,
              1,
              Encoding.PER_EXAMPLE,
              gradients.slice(
                  tensor.name(),
                  example * tensor.elements() + shard.firstElement(),
                  shard.elements()));
          sent.accept((long) shard.elements() * Float.BYTES);
        }
      }
    }
    publisher.flush();
  }
}
