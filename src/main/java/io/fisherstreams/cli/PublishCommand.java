package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.EstimatorName;
import io.fisherstreams.cli.options.EstimatorOptions;
import io.fisherstreams.cli.options.ModelOption;
import io.fisherstreams.cli.options.OutputDtype;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.FisherSettings;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.ContentHash;
import io.fisherstreams.publish.EstimatedCheckpoint;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Role;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
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
        "Sends checkpoints, Fishers, examples and gradients to a pool. Sending again changes nothing.",
    synopsisSubcommandLabel = "COMMAND")
final class PublishCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "a command is missing: checkpoint, fisher, examples or gradients");
  }

  /** How a base model's pool is merged. */
  static final class Method {
    @Option(
        names = "--base",
        required = true,
        description = "Publishes the pool's base model, with how the pool is merged.")
    @SuppressWarnings("UnusedVariable") // its presence chooses the group
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
        defaultValue = "" + FisherMerge.DEFAULT_EPSILON,
        description = "Added to every entry of every Fisher. Default: ${DEFAULT-VALUE}.")
    private double epsilon;

    @Option(
        names = "--dtype",
        paramLabel = "DTYPE",
        description =
            "Type of a release's floating tensors (F32, BF16, F16, F64); a value beyond its range becomes infinite. Default: the base's.")
    private OutputDtype dtype;

    MergeMethod method() {
      if (!(epsilon >= 0) || Double.isInfinite(epsilon)) {
        throw new InvalidInput(
            "--minimal-fisher-weight is " + epsilon + ", expected a finite number of at least 0");
      }
      return new MergeMethod(exclude, !noNormalize, epsilon, dtype == null ? null : dtype.name());
    }
  }

  /** How the gradient stage estimates a model's Fisher. */
  static final class EstimationOptions extends EstimatorOptions {
    @Option(
        names = "--estimator",
        converter = EstimatorName.class,
        required = true,
        paramLabel = "NAME",
        description =
            "The gradient stage estimates the Fisher from 'publish examples': exact, sampled, empirical or"
                + " fusion_bench. The model's config.json and all its tensors are sent.")
    private String estimator;

    @Option(
        names = "--head",
        paramLabel = "FILE",
        description =
            "A safetensors file with a frozen head, such as CLIP's zero-shot head; it is sent with the model.")
    private Path head;

    @Option(
        names = "--torchscript",
        description =
            "The model runs as a TorchScript module that the stage's operator has (gradient.torchscript_directory);"
                + " no config.json is sent.")
    private boolean torchScript;

    /** The checked settings. */
    Estimation estimation() {
      int batchSize = settings(estimator, 1).batchSize();
      return new Estimation(estimator, samples(), seed(), batchSize, new ArrayList<>());
    }
  }

  @Command(
      mixinStandardHelpOptions = true,
      description =
          "Announces a model and sends its checkpoint: a safetensors file or a Hugging Face folder.")
  int checkpoint(
      @Mixin Connection connection,
      @Parameters(paramLabel = "CHECKPOINT", description = "File or folder.") Path path,
      @Mixin ModelOption named,
      @ArgGroup(exclusive = false, heading = "For a base model:%n") Method method,
      @ArgGroup(
              exclusive = false,
              heading = "For a model whose Fisher the gradient stage estimates:%n")
          EstimationOptions estimated,
      @Option(
              names = "--model-version",
              paramLabel = "N",
              description =
                  "The version; grows with every new content and other --examples, --refine-every or"
                      + " --decay. Default: the known version when all are the same, else the time in"
                      + " milliseconds.")
          Long version,
      @Option(
              names = "--coefficient",
              paramLabel = "LAMBDA",
              description = "Merge coefficient, at least 0. Default: 1 / number of models.")
          Double coefficient,
      @Option(
              names = "--examples",
              converter = AtLeastOne.Whole.class,
              paramLabel = "N",
              description =
                  "Examples after which the model's Fisher is sealed. Default: 1, for a Fisher file; 256 with --estimator.")
          Long examples,
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
          double decay) {
    String model = named.name();
    if (method != null && estimated != null) {
      throw new ParameterException(
          spec.commandLine(), "--base and --estimator exclude each other: a base has no Fisher");
    }
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    PoolModels models = PoolModels.read(kafka, topics);
    models.requireRole(model, method != null ? Role.BASE : Role.FINE_TUNED);
    try (Checkpoint checkpoint = Checkpoint.open(path);
        EstimatedCheckpoint files =
            EstimatedCheckpoint.open(modelFiles(path, estimated), checkpoint);
        Progress progress = Progress.of(spec, "publish " + model)) {
      ModelManifest manifest;
      if (method != null) {
        ModelCheck.base(checkpoint);
        manifest = Manifests.base(model, 0, checkpoint.tensors().values(), method.method(), "");
      } else {
        ModelManifest base = models.requireBase();
        MergeSet mergeSet = ModelCheck.mergeSet(base);
        ModelCheck.checkpoint(checkpoint, base, mergeSet);
        manifest =
            fineTuned(model, checkpoint, mergeSet, files, estimated)
                .setCoefficient(coefficient)
                .setExamples(
                    examples != null
                        ? examples
                        : estimated != null ? FisherSettings.DEFAULT_EXAMPLES : 1)
                .setRefineEvery(refineEvery)
                .setDecay(decay)
                .build();
      }
      ModelCheck.settings(manifest);
      if (estimated != null && !estimated.torchScript) {
        files.requireRunnable(manifest);
      }
      manifest.setContentHash(ContentHash.of(files.tensors(), manifest.getParameters()));
      manifest.setVersion(version(models.find(model), manifest, version));
      progress.total(ModelCheck.bytes(manifest));
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        Publisher publisher = new Publisher(topics, producer);
        publisher.announce(manifest);
        publisher.checkpoint(manifest, files.tensors(), progress::add);
      }
      progress.done();
      spec.commandLine().getOut().println("published " + model + "@" + manifest.getVersion());
    }
    return 0;
  }

  private static ModelFiles modelFiles(Path path, EstimationOptions estimated) {
    return ModelFiles.of(
        path, Optional.ofNullable(estimated).map(options -> options.head), Optional.empty());
  }

  private static ModelManifest.Builder fineTuned(
      String model,
      Checkpoint checkpoint,
      MergeSet mergeSet,
      EstimatedCheckpoint files,
      EstimationOptions estimated) {
    return estimated == null
        ? Manifests.fineTuned(model, 0, checkpoint.tensors().values(), mergeSet, false)
        : files.manifest(model, 0, mergeSet, estimated.estimation(), estimated.torchScript);
  }

  private static long version(Optional<ModelManifest> known, ModelManifest next, Long asked) {
    if (known.isPresent()
        && known.get().getContentHash().equals(next.getContentHash())
        && known.get().getParameters().equals(next.getParameters())
        && known.get().getExamples() == next.getExamples()
        && known.get().getRefineEvery() == next.getRefineEvery()
        && known.get().getDecay() == next.getDecay()
        && Objects.equals(known.get().getConfig(), next.getConfig())
        && Objects.equals(known.get().getEstimation(), next.getEstimation())
        && (asked == null || asked == known.get().getVersion())) {
      return known.get().getVersion();
    }
    if (asked != null) {
      if (known.isPresent() && asked <= known.get().getVersion()) {
        throw new InvalidInput(
            next.getModel()
                + " has version "
                + known.get().getVersion()
                + " with other content or settings; --model-version must be higher");
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
      @Mixin ModelOption named,
      @Option(
              names = "--examples",
              converter = AtLeastOne.Whole.class,
              paramLabel = "N",
              description =
                  "Examples that the Fisher stands for. Default: 'examples' of the file's metadata, else what the model wants.")
          Long examples) {
    String model = named.name();
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ModelManifest manifest = PoolModels.read(kafka, topics).require(model);
    try (Checkpoint fisher = Checkpoint.open(path);
        Progress progress = Progress.of(spec, "publish " + model)) {
      ModelCheck.fisher(fisher, manifest);
      long count =
          examples != null ? examples : ModelCheck.examples(fisher).orElse(manifest.getExamples());
      progress.total(ModelCheck.fisherBytes(manifest));
      warnWhenSealed(kafka, topics, manifest);
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
        "Sends labelled examples, from which the gradient stage estimates a model's Fisher.",
        "The model must have been announced with 'publish checkpoint --estimator'. Texts are tokenised and images",
        "preprocessed here. An example counts once by its index, so sending a file again changes nothing."
      })
  int examples(
      @Mixin Connection connection,
      @Parameters(
              paramLabel = "EXAMPLES",
              description =
                  "A .safetensors or .jsonl file, or a folder with one subfolder of images a class.")
          Path path,
      @Mixin ModelOption named,
      @Option(
              names = "--model-folder",
              paramLabel = "FOLDER",
              description =
                  "Where tokenizer.json, config.json and preprocessor_config.json lie; not needed for a .safetensors file.")
          Path folder,
      @Option(
              names = "--head",
              paramLabel = "FILE",
              description = "The frozen head's file, for the names of its classes.")
          Path head,
      @Option(
              names = "--num-examples",
              converter = AtLeastOne.Whole.class,
              paramLabel = "N",
              description =
                  "Sends exactly so many, the first ones. Default: all; no more than a model that is not refined takes.")
          Long number,
      @Option(
              names = "--first-index",
              paramLabel = "N",
              defaultValue = "0",
              description =
                  "Index of the file's first example among all of the model's. More examples, for a model that is refined,"
                      + " go on where the ones before ended. Default: ${DEFAULT-VALUE}.")
          long firstIndex) {
    String model = named.name();
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ModelManifest manifest = PoolModels.read(kafka, topics).require(model);
    EstimatedModel estimated = estimatedModel(manifest);
    Path files = folder != null ? folder : path.toAbsolutePath().getParent();
    try (ExampleSource source =
            new ModelFiles(files, files, Optional.ofNullable(head), Optional.empty())
                .examples(path);
        Progress progress = Progress.ofExamples(spec, "publish examples of " + model)) {
      long count = number(source, number, firstIndex, manifest);
      progress.total(count);
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        new Publisher(topics, producer)
            .examples(estimated, source, count, firstIndex, progress::add);
      }
      progress.done();
      spec.commandLine()
          .getOut()
          .println("published " + count + " examples of " + estimated.version());
    }
    return 0;
  }

  /** What the model has already changes nothing when it is sent again; all else is refused. */
  private void warnWhenSealed(KafkaSettings kafka, PoolTopics topics, ModelManifest manifest) {
    if (manifest.getRefineEvery() == 0
        && PoolStatus.readView(kafka, topics).isReady(manifest.getModel(), manifest.getVersion())) {
      spec.commandLine()
          .getErr()
          .printf(
              "warning: %s@%d has its whole Fisher and is not refined (refine-every is 0): unless it is the same again, what is sent goes to dead-letters%n",
              manifest.getModel(), manifest.getVersion());
    }
  }

  private static EstimatedModel estimatedModel(ModelManifest manifest) {
    try {
      return EstimatedModel.of(manifest);
    } catch (RejectedRecord e) {
      throw new InvalidInput(
          e.getMessage() + "; announce it with: fisher-streams publish checkpoint --estimator", e);
    }
  }

  private static long number(
      ExampleSource source, Long asked, long firstIndex, ModelManifest manifest) {
    if (firstIndex < 0) {
      throw new InvalidInput("--first-index must be at least 0, found " + firstIndex);
    }
    if (asked != null && asked > source.count()) {
      throw new InvalidInput(
          "%s: %d examples asked for, found %d".formatted(source.origin(), asked, source.count()));
    }
    if (source.count() == 0) {
      throw new InvalidInput("%s: holds no examples".formatted(source.origin()));
    }
    long count = asked != null ? asked : source.count();
    if (manifest.getRefineEvery() > 0 || firstIndex + count <= manifest.getExamples()) {
      return count;
    }
    if (asked != null || firstIndex >= manifest.getExamples()) {
      throw new InvalidInput(
          "%s takes %d examples (refine-every is 0), asked for %d to %d"
              .formatted(
                  manifest.getModel(), manifest.getExamples(), firstIndex, firstIndex + count - 1));
    }
    return manifest.getExamples() - firstIndex;
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
      @Mixin ModelOption named,
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
    if (source.startsWith("@")) {
      throw new InvalidInput("--source '" + source + "': names with '@' belong to the pipeline");
    }
    String model = named.name();
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ModelManifest manifest = PoolModels.read(kafka, topics).require(model);
    try (Checkpoint gradients = Checkpoint.open(path);
        Progress progress = Progress.of(spec, "publish " + model)) {
      long examples = ModelCheck.gradients(gradients, manifest);
      progress.total(examples * ModelCheck.fisherBytes(manifest));
      warnWhenSealed(kafka, topics, manifest);
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
