package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.OutputOptions;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.BaseFolder;
import io.fisherstreams.release.Companions;
import io.fisherstreams.release.NamedRelease;
import io.fisherstreams.release.PackedCompanions;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    description = "Writes a release as a checkpoint.")
final class ExportCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Option(
      names = "--release",
      paramLabel = "N_OR_ALIAS",
      description = "The release's id, or an alias. Default: the newest complete one.")
  private String name;

  @Mixin private OutputOptions output;

  @Option(
      names = "--base-folder",
      paramLabel = "DIR",
      description =
          "The base's folder: its files that are no weights are copied into the exported folder. If it has weights, they must have the release's names and shapes. Default: the files that came with the base.")
  private Path baseFolder;

  @Option(
      names = "--trust-remote-code",
      description =
          "Also copies Python files of --base-folder; they run when the model is loaded with trust_remote_code.")
  private boolean trustsCode;

  @Option(names = "--force", description = "Also writes a release that the gate rejected.")
  private boolean force;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    output.requireFolder("--trust-remote-code", trustsCode);
    if (trustsCode && baseFolder == null) {
      throw new ParameterException(
          spec.commandLine(), "--trust-remote-code is for --base-folder, which is missing");
    }
    long partBytes = output.partBytes();
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ReleaseExporter.requireWritable(output.path());
    ReleaseReader reader = new ReleaseReader(kafka, topics);
    Release release = NamedRelease.find(name, reader, kafka, topics);
    if (release.getStatus() == ReleaseStatus.REJECTED && !force) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "release %d was rejected: %s%s",
              release.getRelease(),
              release.getReason(),
              release.getSlices().isEmpty() ? "" : "; to write it anyway, add --force"));
    }
    Optional<ModelManifest> poolBase = PoolModels.base(kafka, topics);
    List<TensorInfo> tensors = reader.tensors(release, poolBase);
    try (TemporaryDirectory unpacked = TemporaryDirectory.create(null)) {
      Optional<Companions> companions = companions(release, poolBase, unpacked.path());
      export(release, reader, tensors, companions, partBytes);
    }
    spec.commandLine()
        .getOut()
        .println("wrote release " + release.getRelease() + " to " + output.path());
    return 0;
  }

  /** Of the folder that the user named, else as the base brought them into the pool. */
  private Optional<Companions> companions(
      Release release, Optional<ModelManifest> poolBase, Path unpacked) {
    if (ReleaseExporter.isFile(output.path())) {
      return Optional.empty();
    }
    if (baseFolder != null) {
      Companions companions = Companions.of(baseFolder, trustsCode);
      companions.note().ifPresent(Notes.of(spec));
      return Optional.of(companions);
    }
    MergePlan plan = release.getPlan();
    Optional<ModelManifest> base =
        poolBase.filter(
            known ->
                known.getModel().equals(plan.getBaseModel())
                    && known.getVersion() == plan.getBaseVersion());
    if (base.isEmpty() || base.get().getCompanions().isEmpty()) {
      Notes.of(spec)
          .accept(
              base.isEmpty()
                  ? "the pool has another base now; --base-folder DIR copies the files of this one"
                  : "the base was published without config.json and tokenizer; --base-folder DIR copies them");
      return Optional.empty();
    }
    PackedCompanions.unpack(base.get().getCompanions(), unpacked);
    return Optional.of(Companions.of(unpacked, false));
  }

  private void export(
      Release release,
      ReleaseReader reader,
      List<TensorInfo> tensors,
      Optional<Companions> companions,
      long partBytes) {
    TiedWeights ties = baseFolder == null ? TiedWeights.NONE : BaseFolder.ties(baseFolder, tensors);
    DiskSpace.requireForOutput(output.path(), ReleaseExporter.bytes(tensors));
    try (TerminalProgress progress =
        TerminalProgress.of(spec, "export release " + release.getRelease())) {
      progress.total(ReleaseExporter.bytes(tensors));
      new ReleaseExporter(reader)
          .export(
              release,
              tensors,
              new ReleaseExporter.Output(output.path(), partBytes, companions, ties),
              progress::add);
      progress.done();
    }
  }
}
