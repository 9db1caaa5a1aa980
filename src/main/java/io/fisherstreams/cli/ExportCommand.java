package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseAliases;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseReader;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
          "Where config.json and tokenizer files are copied from into an exported folder.")
  private Path baseFolder;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Release release =
        write(
            connection,
            name,
            output.path(),
            output.partBytes(),
            Optional.ofNullable(baseFolder),
            spec);
    spec.commandLine()
        .getOut()
        .println("wrote release " + release.getRelease() + " to " + output.path());
    return 0;
  }

  /**
   * Writes a release of the connection's pool.
   *
   * @param name its id or an alias; null for the newest complete one
   * @param companions where {@code config.json} and tokenizer files are copied from
   */
  static Release write(
      Connection connection,
      String name,
      Path target,
      long partBytes,
      Optional<Path> companions,
      CommandSpec spec) {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ReleaseReader reader = new ReleaseReader(kafka, topics);
    Release release = find(name, reader.all(), kafka, topics);
    ModelManifest base = PoolModels.read(kafka, topics).requireBase();
    try (Progress progress = Progress.of(spec, "export release " + release.getRelease())) {
      progress.total(ReleaseExporter.bytes(release, base));
      new ReleaseExporter(reader)
          .export(release, base, target, partBytes, companions, progress::add);
      progress.done();
    }
    return release;
  }

  private static Release find(
      String name, List<Release> releases, KafkaSettings kafka, PoolTopics topics) {
    if (name == null) {
      return releases.stream()
          .filter(release -> release.getStatus() == ReleaseStatus.COMPLETE)
          .reduce((first, second) -> second)
          .orElseThrow(() -> new InvalidInput("the pool has no complete release yet"));
    }
    long id = new ReleaseAliases(kafka, topics).resolve(name);
    return releases.stream()
        .filter(release -> release.getRelease() == id)
        .findFirst()
        .orElseThrow(() -> new InvalidInput("there is no release " + id));
  }
}
