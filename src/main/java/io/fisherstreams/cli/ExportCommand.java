package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.OutputOptions;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.BaseFolder;
import io.fisherstreams.release.Companions;
import io.fisherstreams.release.NamedRelease;
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
          "The base's folder: its files that are no weights are copied into the exported folder. If it has weights, they must have the release's names and shapes.")
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
    Optional<Companions> companions =
        Optional.ofNullable(baseFolder).map(folder -> Companions.of(folder, trustsCode));
    companions
        .flatMap(Companions::note)
        .ifPresent(note -> spec.commandLine().getErr().println("note: " + note));
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
    List<TensorInfo> tensors = reader.tensors(release, PoolModels.base(kafka, topics));
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
    spec.commandLine()
        .getOut()
        .println("wrote release " + release.getRelease() + " to " + output.path());
    return 0;
  }
}
