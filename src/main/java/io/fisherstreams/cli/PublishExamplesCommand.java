package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.MadeFor;
import io.fisherstreams.cli.options.ModelOption;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ShortenedExamples;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.publish.Receipt;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.Producer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "examples",
    mixinStandardHelpOptions = true,
    description = {
      "Sends labelled examples, from which the gradient stage estimates a model's Fisher.",
      "Publish the model first, with 'publish checkpoint --estimator'. This command tokenises texts and preprocesses",
      "images. An example is identified by its index and counts once, so sending a file again changes nothing."
    })
final class PublishExamplesCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(
      paramLabel = "EXAMPLES",
      description =
          "A .safetensors or .jsonl file, or a folder with one subfolder of images a class.")
  private Path path;

  @Mixin private ModelOption named;

  @Mixin private ReleaseWait release;

  @Mixin private MadeFor madeFor;

  @Option(
      names = "--model-folder",
      paramLabel = "FOLDER",
      description =
          "Folder with tokenizer.json, config.json and preprocessor_config.json; not needed for a .safetensors file.")
  private Path folder;

  @Option(
      names = "--base",
      paramLabel = "FOLDER",
      description =
          "If --model-folder is a LoRA adapter: the folder of its base, for what the adapter's folder lacks.")
  private Path base;

  @Option(
      names = "--head",
      paramLabel = "FILE",
      description = "The frozen head's file, for the names of its classes.")
  private Path head;

  @Option(
      names = "--max-length",
      converter = AtLeastOne.Int.class,
      paramLabel = "TOKENS",
      description =
          "Cuts each text after so many tokens. Default: a text that is too long is rejected by the stage.")
  private Integer maxLength;

  @Option(
      names = "--num-examples",
      converter = AtLeastOne.Whole.class,
      paramLabel = "N",
      description =
          "Sends exactly the first N examples. Default: all; for a model that is not refined, at most as many as it"
              + " still accepts.")
  private Long numExamples;

  @Option(
      names = "--first-index",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Index of the file's first example among all of the model's examples. To refine a model with more examples,"
              + " continue after its last index. Default: ${DEFAULT-VALUE}.")
  private long firstIndex;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    String model = named.name();
    madeFor.requireReadable();
    Path files = folder != null ? folder : path.toAbsolutePath().getParent();
    ExampleSource whole =
        new ModelFiles(
                files,
                files,
                Optional.ofNullable(base),
                Optional.ofNullable(head),
                Optional.empty())
            .examples(path);
    try (ExampleSource source =
        ShortenedExamples.of(
            whole, maxLength == null ? OptionalInt.empty() : OptionalInt.of(maxLength))) {
      requireExamples(source);
      KafkaSettings kafka = connection.kafka();
      PoolTopics topics = connection.topics();
      try (PoolModels models = PoolModels.open(kafka, topics)) {
        publish(source, models.require(model), kafka, topics, models);
      }
      if (source instanceof ShortenedExamples shortened) {
        shortened.note().ifPresent(Notes.of(spec));
      }
    }
    return 0;
  }

  private void publish(
      ExampleSource source,
      ModelManifest manifest,
      KafkaSettings kafka,
      PoolTopics topics,
      PoolModels models) {
    String model = manifest.getModel();
    EstimatedModel estimated = estimatedModel(manifest);
    long count = count(source, manifest);
    requireInputs(source, count, manifest);
    madeFor.require(manifest, PoolViewReader.read(kafka, topics), Optional.empty());
    try (TerminalProgress progress =
            TerminalProgress.ofExamples(spec, "publish examples of " + model);
        Receipt receipt = Receipt.open(kafka, topics, models);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      progress.total(count);
      Publisher publisher = new Publisher(topics, producer);
      publisher.examples(estimated, source, count, firstIndex, progress::add);
      progress.done();
      receipt.require(publisher.sent(), manifest, Notes.of(spec));
    }
    PrintWriter out = spec.commandLine().getOut();
    out.println("published " + count + " examples of " + estimated.version());
    release.forVersion(kafka, topics, model, manifest.getVersion(), out);
  }

  /** What the gradient stage would reject is rejected before anything is sent. */
  private void requireInputs(ExampleSource source, long count, ModelManifest manifest) {
    Optional<Consumer<Example>> inputs =
        Optional.ofNullable(manifest.getConfig())
            .flatMap(
                config ->
                    ModelRuntimes.check(
                        ModelConfig.parse("config of " + manifest.getModel(), config),
                        ManifestTensors.all(manifest)));
    if (inputs.isPresent()) {
      source.forEach(count, inputs.get());
    } else {
      Notes.of(spec)
          .accept(
              manifest.getModel()
                  + " runs as a TorchScript module of the gradient stage, so the inputs' names and shapes and"
                  + " the labels are checked there");
    }
  }

  private static EstimatedModel estimatedModel(ModelManifest manifest) {
    try {
      return EstimatedModel.of(manifest);
    } catch (RejectedRecord e) {
      throw new InvalidInput(
          e.getMessage() + "; publish it with: fisher-streams publish checkpoint --estimator", e);
    }
  }

  private void requireExamples(ExampleSource source) {
    if (firstIndex < 0) {
      throw new InvalidInput("--first-index must be at least 0, found " + firstIndex);
    }
    if (numExamples != null && numExamples > source.count()) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: expected %d examples, found %d",
              source.origin(),
              numExamples,
              source.count()));
    }
    if (source.count() == 0) {
      throw new InvalidInput("%s: has no examples".formatted(source.origin()));
    }
  }

  /** How many examples to send. */
  private long count(ExampleSource source, ModelManifest manifest) {
    long count = numExamples != null ? numExamples : source.count();
    if (manifest.getRefineEvery() > 0 || firstIndex + count <= manifest.getExamples()) {
      return count;
    }
    if (numExamples != null || firstIndex >= manifest.getExamples()) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s accepts %d examples (refine-every is 0), with indices up to %d; asked for %d to %d",
              manifest.getModel(),
              manifest.getExamples(),
              manifest.getExamples() - 1,
              firstIndex,
              firstIndex + count - 1));
    }
    return manifest.getExamples() - firstIndex;
  }
}
