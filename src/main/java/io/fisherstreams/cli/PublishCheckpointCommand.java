package io.fisherstreams.cli;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.BaseMethodOptions;
import io.fisherstreams.cli.options.CoefficientConverter;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.EstimationOptions;
import io.fisherstreams.cli.options.GroupCoefficient;
import io.fisherstreams.cli.options.ModelOption;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.publish.ContentHash;
import io.fisherstreams.publish.EstimatedCheckpoint;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.PoolBase;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.publish.Receipt;
import io.fisherstreams.publish.VersionChoice;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.CompanionFile;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.release.Companions;
import io.fisherstreams.release.PackedCompanions;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
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
    name = "checkpoint",
    mixinStandardHelpOptions = true,
    description =
        "Announces a model and sends its checkpoint: a safetensors file, a Hugging Face folder, or the folder of a LoRA adapter.")
final class PublishCheckpointCommand implements Callable<Integer> {
  private static final int ROOM_FOR_NAMES = 64 << 10;

  @Mixin private Connection connection;

  @Parameters(paramLabel = "CHECKPOINT", description = "File or folder.")
  private Path path;

  @Mixin private ModelOption named;

  @Mixin private ReleaseWait release;

  @ArgGroup(exclusive = false, heading = "For a base model:%n")
  private BaseMethodOptions base;

  @ArgGroup(exclusive = false, heading = "For a model whose Fisher the gradient stage estimates:%n")
  private EstimationOptions estimated;

  @Option(
      names = "--model-version",
      paramLabel = "N",
      description =
          "The version; must grow with every change of content, --num-examples, --refine-every or"
              + " --decay. Default: the known version if none of them changed, else the time in"
              + " milliseconds.")
  private Long version;

  @Option(
      names = "--coefficient",
      converter = CoefficientConverter.class,
      paramLabel = "LAMBDA",
      description =
          "Merge coefficient, at least 0; below 0 for task_arithmetic only. Default: 1 / number of models; 0.6 for gradient_matching, 1 for task_arithmetic.")
  private Double coefficient;

  @Option(
      names = "--group-coefficient",
      converter = GroupCoefficient.Converter.class,
      paramLabel = "GROUP=LAMBDA",
      description =
          "Merge coefficient in one of the groups of parameters of the pool's method, in place of --coefficient. Repeatable.")
  private List<GroupCoefficient> groupCoefficients = List.of();

  @Option(
      names = "--num-examples",
      converter = AtLeastOne.Whole.class,
      paramLabel = "N",
      description =
          "Examples after which the model's Fisher is sealed. Default: 1, for a Fisher file; 256 with --estimator.")
  private Long numExamples;

  @Option(
      names = "--refine-every",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Further examples that make the next epoch; 0: no further epoch. Default: ${DEFAULT-VALUE}.")
  private long refineEvery;

  @Option(
      names = "--decay",
      paramLabel = "GAMMA",
      defaultValue = "1",
      description = "Factor in (0, 1] on the previous epoch. Default: ${DEFAULT-VALUE}.")
  private double decay;

  @Option(
      names = "--base-folder",
      paramLabel = "CHECKPOINT",
      description =
          "For a LoRA adapter: the pool's base as a file or folder, which must have the same tensors. Default: the base is read from the pool.")
  private Path baseFolder;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    String model = named.name();
    if (base != null && estimated != null) {
      throw new ParameterException(
          spec.commandLine(), "--base and --estimator exclude each other: a base has no Fisher");
    }
    if (base != null
        && (coefficient != null
            || !groupCoefficients.isEmpty()
            || numExamples != null
            || refineEvery != 0
            || decay != 1)) {
      throw new ParameterException(
          spec.commandLine(),
          "--coefficient, --group-coefficient, --num-examples, --refine-every and --decay are for a"
              + " fine-tuned model; a base has no Fisher");
    }
    if (base != null) {
      baseMethod(); // before anything is read
    } else {
      coefficients();
    }
    if (base != null) {
      Checkpoint.open(path).close();
    } else {
      Checkpoint.requireReadable(path);
    }
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    try (PoolModels models = PoolModels.open(kafka, topics)) {
      models.requireRole(model, base != null ? Role.BASE : Role.FINE_TUNED);
      if (base != null || !Checkpoint.isAdapter(path)) {
        publish(model, kafka, topics, models, Optional.empty());
      } else if (baseFolder != null) {
        PoolBase.require("--base-folder", baseFolder, models.requireBase());
        publish(model, kafka, topics, models, Optional.of(baseFolder));
      } else {
        publishFromPoolsBase(model, kafka, topics, models);
      }
    }
    return 0;
  }

  private void publishFromPoolsBase(
      String model, KafkaSettings kafka, PoolTopics topics, PoolModels models) {
    ModelManifest poolBase = models.requireBase();
    CoefficientRules.requireCoefficients("the coefficient", coefficients());
    try (TemporaryDirectory directory = TemporaryDirectory.create(null)) {
      Notes.of(spec)
          .accept("reading the pool's base " + poolBase.getModel() + ", which the adapter changes");
      PoolBase.fetch(kafka, topics, poolBase, directory.path());
      publish(model, kafka, topics, models, Optional.of(directory.path()));
    }
  }

  /**
   * Publishes a model.
   *
   * @param ofAdapter the base of an adapter
   */
  private void publish(
      String model,
      KafkaSettings kafka,
      PoolTopics topics,
      PoolModels models,
      Optional<Path> ofAdapter) {
    try (Checkpoint checkpoint = open(models, ofAdapter);
        EstimatedCheckpoint files = EstimatedCheckpoint.open(modelFiles(ofAdapter), checkpoint);
        TerminalProgress progress = TerminalProgress.of(spec, "publish " + model)) {
      ModelManifest manifest = manifest(model, models, checkpoint, files);
      ModelCheck.settings(manifest);
      if (estimated != null && !estimated.torchScript()) {
        files.requireRunnable(manifest);
      }
      manifest.setContentHash(ContentHash.of(files.tensors(), manifest.getParameters()));
      manifest.setCheckpointSha256(checkpoint.sha256());
      OptionalLong asked = version == null ? OptionalLong.empty() : OptionalLong.of(version);
      manifest.setVersion(
          VersionChoice.of(models.find(model), manifest, asked, System.currentTimeMillis()));
      progress.total(ModelCheck.bytes(manifest));
      try (Receipt receipt = Receipt.open(kafka, topics, models);
          Producer<byte[], byte[]> producer = kafka.newProducer()) {
        Publisher publisher = new Publisher(topics, producer);
        publisher.announce(manifest);
        models.requireCurrent(manifest);
        publisher.checkpoint(manifest, files.tensors(), progress::add);
        progress.done();
        receipt.require(publisher.sent(), manifest, Notes.of(spec));
      }
      PrintWriter out = spec.commandLine().getOut();
      out.println("published " + model + "@" + manifest.getVersion());
      release.forVersion(kafka, topics, model, manifest.getVersion(), out);
    }
  }

  /** The folder's files that an export writes beside the tensors, as far as a record has room. */
  private List<CompanionFile> companions(ModelManifest manifest) {
    long room = PoolTopics.MAX_MANIFEST_BYTES - encodedBytes(manifest) - ROOM_FOR_NAMES;
    PackedCompanions packed =
        PackedCompanions.pack(
            Companions.of(path, false), Math.min(room, Limits.MAX_COMPANION_BYTES));
    packed.note().ifPresent(Notes.of(spec));
    return packed.files();
  }

  private static long encodedBytes(ModelManifest manifest) {
    try {
      return manifest.toByteBuffer().remaining();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A fine-tuned model gets the base's names. */
  private Checkpoint open(PoolModels models, Optional<Path> ofAdapter) {
    Checkpoint checkpoint =
        base != null ? Checkpoint.open(path) : openAs(models.requireBase(), ofAdapter);
    checkpoint
        .renaming()
        .ifPresent(how -> Notes.of(spec).accept("the tensors of " + path + " are read " + how));
    return checkpoint;
  }

  private Checkpoint openAs(ModelManifest poolBase, Optional<Path> ofAdapter) {
    return Checkpoint.openAs(
        path,
        ofAdapter,
        ModelCheck.mergeSet(poolBase).names(),
        ManifestTensors.all(poolBase).stream().map(TensorInfo::name).toList());
  }

  private ModelFiles modelFiles(Optional<Path> ofAdapter) {
    return ModelFiles.of(
        path,
        ofAdapter,
        Optional.ofNullable(estimated).flatMap(EstimationOptions::head),
        Optional.empty());
  }

  private MergeMethod baseMethod() {
    return base.method(spec.commandLine());
  }

  private Coefficients coefficients() {
    return new Coefficients(
        coefficient == null ? OptionalDouble.empty() : OptionalDouble.of(coefficient),
        GroupCoefficient.all("--group-coefficient", groupCoefficients, spec.commandLine()));
  }

  /** The manifest, still without version and content hash. */
  private ModelManifest manifest(
      String model, PoolModels models, Checkpoint checkpoint, EstimatedCheckpoint files) {
    if (base != null) {
      BaseModel found = BaseModel.of(checkpoint, baseMethod().getExcludeParamNamesRegex());
      ModelCheck.base(checkpoint, found.mergeSet(), baseMethod().getExcludeParamNamesRegex());
      found
          .ties()
          .sources()
          .forEach(
              (name, source) ->
                  Notes.of(spec)
                      .accept(
                          name
                              + " is tied to "
                              + source
                              + "; it is not sent, and an export with --base-folder writes it"));
      found.exclusionWarnings().forEach(Notes.of(spec));
      ModelManifest manifest = Manifests.base(model, 0, found.tensors(), baseMethod(), "");
      if (Files.isDirectory(path)) {
        manifest.setCompanions(companions(manifest));
      }
      return manifest;
    }
    ModelManifest poolBase = models.requireBase();
    Coefficients coefficients = coefficients();
    CoefficientRules.requireCoefficients("the coefficient", coefficients);
    CoefficientRules.requireCoefficients(
        "the coefficient",
        coefficients,
        MergeMethods.formula(poolBase.getMethod()),
        MergeMethods.groups(poolBase.getMethod()));
    MergeSet mergeSet = ModelCheck.mergeSet(poolBase);
    ModelCheck.checkpoint(checkpoint, poolBase, mergeSet);
    Set<String> inBase =
        ManifestTensors.all(poolBase).stream().map(TensorInfo::name).collect(Collectors.toSet());
    Optional<UnchangedParameters> unchanged =
        Manifests.unchanged(checkpoint, poolBase.getVersion(), inBase::contains);
    unchanged.ifPresent(
        found ->
            Notes.of(spec)
                .accept(
                    String.format(
                        Locale.ROOT,
                        "%s is a LoRA adapter: it changes %d tensors of the base, and leaves %d as they are",
                        path,
                        inBase.size() - found.getNames().size(),
                        found.getNames().size())));
    ModelManifest.Builder manifest =
        estimated == null
            ? Manifests.fineTuned(model, 0, checkpoint.ownTensors(), unchanged, mergeSet, false)
            : files.manifest(
                model,
                0,
                unchanged,
                mergeSet,
                estimated.estimation(spec.commandLine()),
                estimated.torchScript());
    long standard = estimated == null ? 1 : ManifestRules.DEFAULT_EXAMPLES;
    return MergeMethods.with(
        manifest
            .setExamples(numExamples == null ? standard : numExamples)
            .setRefineEvery(refineEvery)
            .setDecay(decay)
            .build(),
        coefficients);
  }
}
