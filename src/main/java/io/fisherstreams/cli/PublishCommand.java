package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorInfo;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.publish.ContentHash;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.Shard;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.producer.Producer;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "publish",
    mixinStandardHelpOptions = true,
    description =
        "Sends checkpoints, Fishers and gradients to a pool. Sending again changes nothing.",
    synopsisSubcommandLabel = "COMMAND")
final class PublishCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "a command is missing: checkpoint, fisher or gradients");
  }

  /** How a base model's pool is merged. */
  static final class Method {
    @Option(
        names = "--base",
        required = true,
        description = "Publishes the pool's base model, with how the pool is merged.")
    private boolean base;

    @Option(
        names = "--exclude",
        paramLabel = "REGEX",
        description =
            "Parameters that keep the base's value; matched at the start of the name. Repeatable.")
    private List<String> exclude = List.of();

    @Option(
        names = "--no-normalize",
        description = "Does not divide a model's weight by the norm of its Fisher.")
    private boolean noNormalize;

    @Option(
        names = "--minimal-fisher-weight",
        paramLabel = "EPSILON",
        defaultValue = "1e-6",
        description = "Added to every entry of every Fisher. Default: ${DEFAULT-VALUE}.")
    private double epsilon;

    @Option(
        names = "--dtype",
        paramLabel = "DTYPE",
        description =
            "Type of a release's floating tensors (F32, BF16, F16, F64). Default: the base's.")
    private OutputDtype dtype;

    MergeMethod method() {
      if (!(epsilon >= 0) || Double.isInfinite(epsilon)) {
        throw new InvalidInput(
            "--minimal-fisher-weight is " + epsilon + ", expected a finite number of at least 0");
      }
      return new MergeMethod(exclude, !noNormalize, epsilon, dtype == null ? null : dtype.name());
    }
  }

  @Command(
      mixinStandardHelpOptions = true,
      description =
          "Announces a model and sends its checkpoint: a safetensors file or a Hugging Face folder.")
  int checkpoint(
      @Mixin Connection connection,
      @Parameters(paramLabel = "CHECKPOINT", description = "File or folder.") Path path,
      @Option(
              names = "--model",
              required = true,
              paramLabel = "NAME",
              description = "The model's name.")
          String model,
      @ArgGroup(exclusive = false, heading = "For a base model:%n") Method method,
      @Option(
              names = "--model-version",
              paramLabel = "N",
              description =
                  "The version; grows with every new content. Default: the known version when the"
                      + " content is the same, else the time in milliseconds.")
          Long version,
      @Option(
              names = "--coefficient",
              paramLabel = "LAMBDA",
              description = "Merge coefficient, at least 0. Default: 1 / number of models.")
          Double coefficient,
      @Option(
              names = "--examples",
              paramLabel = "N",
              defaultValue = "1",
              description =
                  "Examples after which the model's Fisher is sealed; 1 for a Fisher file. Default: ${DEFAULT-VALUE}.")
          long examples,
      @Option(
              names = "--refine-every",
              paramLabel = "N",
              defaultValue = "0",
              description =
                  "Further examples that make the next epoch; 0: none. Default: ${DEFAULT-VALUE}.")
          long refineEvery,
      @Option(
              names = "--decay",
              paramLabel = "GAMMA",
              defaultValue = "1",
              description = "Factor in (0, 1] on the epoch before. Default: ${DEFAULT-VALUE}.")
          double decay,
      @Option(
              names = "--all-parameters",
              description = "Sends excluded parameters too, as the gradient stage needs them.")
          boolean allParameters) {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    PoolModels models = PoolModels.read(kafka, topics);
    try (Checkpoint checkpoint = Checkpoint.open(path);
        Progress progress = Progress.of(spec, "publish " + model)) {
      ModelManifest manifest;
      if (method != null) {
        manifest = Manifests.base(model, 0, checkpoint.tensors().values(), method.method(), "");
      } else {
        ModelManifest base = models.requireBase();
        MergeSet mergeSet = ModelCheck.mergeSet(base);
        ModelCheck.checkpoint(checkpoint, base, mergeSet);
        manifest =
            Manifests.fineTuned(model, 0, checkpoint.tensors().values(), mergeSet, allParameters)
                .setCoefficient(coefficient)
                .setExamples(examples)
                .setRefineEvery(refineEvery)
                .setDecay(decay)
                .build();
      }
      ModelCheck.settings(manifest);
      manifest.setContentHash(ContentHash.of(checkpoint, manifest.getParameters()));
      manifest.setVersion(version(models.find(model), manifest, version));
      progress.total(ModelCheck.bytes(manifest, checkpoint));
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        Publisher publisher = new Publisher(topics, producer);
        publisher.announce(manifest);
        publisher.checkpoint(manifest, checkpoint, progress::add);
      }
      progress.done();
      spec.commandLine().getOut().println("published " + model + "@" + manifest.getVersion());
    }
    return 0;
  }

  private static long version(Optional<ModelManifest> known, ModelManifest next, Long asked) {
    if (known.isPresent()
        && known.get().getContentHash().equals(next.getContentHash())
        && known.get().getParameters().equals(next.getParameters())
        && (asked == null || asked == known.get().getVersion())) {
      return known.get().getVersion();
    }
    if (asked != null) {
      if (known.isPresent() && asked <= known.get().getVersion()) {
        throw new InvalidInput(
            next.getModel()
                + " has version "
                + known.get().getVersion()
                + " with other content; --model-version must be higher");
      }
      return asked;
    }
    return Math.max(
        System.currentTimeMillis(), known.map(ModelManifest::getVersion).orElse(0L) + 1);
  }

  @Command(
      mixinStandardHelpOptions = true,
      description = {
        "Sends a model's Fisher: a safetensors file of means of squared gradients, or Adam's exp_avg_sq.",
        "The model's checkpoint must have been announced."
      })
  int fisher(
      @Mixin Connection connection,
      @Parameters(
              paramLabel = "FISHER",
              description = "File or folder, float32 or another floating type.")
          Path path,
      @Option(
              names = "--model",
              required = true,
              paramLabel = "NAME",
              description = "The model's name.")
          String model,
      @Option(
              names = "--examples",
              paramLabel = "N",
              description =
                  "Examples that the Fisher stands for. Default: 'examples' of the file's metadata, else what the model wants.")
          Long examples) {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ModelManifest manifest = PoolModels.read(kafka, topics).require(model);
    try (Checkpoint fisher = Checkpoint.open(path);
        Progress progress = Progress.of(spec, "publish " + model)) {
      ModelCheck.fisher(fisher, manifest);
      long count =
          examples != null ? examples : ModelCheck.examples(fisher, manifest.getExamples());
      progress.total(ModelCheck.fisherBytes(manifest));
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        new Publisher(topics, producer)
            .fisher(
                manifest,
                fisher,
                "file:" + ModelCheck.fisherHash(fisher, manifest),
                count,
                progress::add);
      }
      progress.done();
      spec.commandLine()
          .getOut()
          .println("published the Fisher of " + model + "@" + manifest.getVersion());
    }
    return 0;
  }

  @Command(
      mixinStandardHelpOptions = true,
      description = {
        "Sends per-example gradients: a safetensors file with a tensor [examples, *shape] for every merged parameter.",
        "Squares are taken by the merge stage."
      })
  int gradients(
      @Mixin Connection connection,
      @Parameters(paramLabel = "GRADIENTS", description = "A safetensors file, float32.") Path path,
      @Option(
              names = "--model",
              required = true,
              paramLabel = "NAME",
              description = "The model's name.")
          String model,
      @Option(
              names = "--source",
              required = true,
              paramLabel = "NAME",
              description = "Who computed them. A (source, sequence) counts once.")
          String source,
      @Option(
              names = "--sequence",
              required = true,
              paramLabel = "N",
              description =
                  "Number of the first example within its source; one sequence number is used per example.")
          long sequence) {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ModelManifest manifest = PoolModels.read(kafka, topics).require(model);
    try (Checkpoint gradients = Checkpoint.open(path);
        Progress progress = Progress.of(spec, "publish " + model)) {
      long examples = ModelCheck.gradients(gradients, manifest);
      progress.total(examples * ModelCheck.fisherBytes(manifest));
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        Publisher publisher = new Publisher(topics, producer);
        for (TensorInfo tensor : ModelCheck.merged(manifest)) {
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
              progress.add((long) shard.elements() * Float.BYTES);
            }
          }
        }
        publisher.flush();
      }
      progress.done();
      spec.commandLine()
          .getOut()
          .println("published gradients of " + examples + " examples for " + model);
    }
    return 0;
  }
}
