package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.OutputFile;
import io.fisherstreams.files.WholeFile;
import io.fisherstreams.oneshot.FusionBenchReport;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseJson;
import io.fisherstreams.tensor.TensorInfo;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "releases",
    mixinStandardHelpOptions = true,
    description = "Lists a pool's releases, oldest first.")
final class ReleasesCommand implements Callable<Integer> {
  private static final List<String> HEADER =
      List.of("RELEASE", "STATUS", "AT", "MODELS", "CHECKSUM", "CAUSE");

  private static final Duration WATCH = Duration.ofMillis(500);

  @Mixin private Connection connection;

  @Option(
      names = "--json",
      description = "Prints each release as one line of JSON, with its whole plan.")
  private boolean json;

  @Option(
      names = "--watch",
      description =
          "Goes on and prints each new release, and each release again when it is judged, until ^C.")
  private boolean watch;

  @Option(
      names = "--fusion-bench-json",
      paramLabel = "FILE",
      description =
          "Also writes what the gate measured of the newest release that it judged, in the shape of FusionBench's reports.")
  private Path fusionBench;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    OutputFile.requireWritable("--fusion-bench-json", fusionBench);
    PrintWriter out = spec.commandLine().getOut();
    try (ReleaseFeed feed = new ReleaseFeed(connection.kafka(), connection.topics())) {
      Map<Long, Release> releases = feed.upToDate();
      if (fusionBench != null) {
        report(releases.values());
      }
      if (watch) {
        watch(feed, out);
      } else if (json) {
        releases.values().forEach(release -> out.println(ReleaseJson.text(release)));
      } else {
        TextTable table = new TextTable().left().left().left().left().left().left();
        table.row(HEADER);
        releases.values().forEach(release -> table.row(cells(release)));
        table.print(out);
      }
    }
    return 0;
  }

  /** Prints each record once, until the process is stopped or nobody reads its output. */
  private void watch(ReleaseFeed feed, PrintWriter out) {
    Map<Long, Release> printed = new HashMap<>();
    if (!json) {
      out.print(wide(HEADER));
    }
    Map<Long, Release> releases = feed.upToDate();
    while (!out.checkError()) {
      for (Release release : releases.values()) {
        if (!release.equals(printed.put(release.getRelease(), release))) {
          out.print(
              json ? ReleaseJson.text(release) + System.lineSeparator() : wide(cells(release)));
        }
      }
      releases = feed.poll(WATCH);
    }
  }

  /** A row whose columns have room for the rows that follow. */
  private static String wide(List<?> cells) {
    return new TextTable().left(7).left(9).left(24).left(6).left(16).left().row(cells).toString();
  }

  private static List<Object> cells(Release release) {
    return List.of(
        release.getRelease(),
        release.getStatus(),
        release.getAt(),
        release.getPlan().getModels().size(),
        release.getChecksum().isEmpty() ? "-" : release.getChecksum(),
        cause(release));
  }

  private static String cause(Release release) {
    String reason =
        release.getReason().isEmpty() && release.getVerdict() != null
            ? release.getVerdict().getReason()
            : release.getReason();
    List<String> parts = new ArrayList<>();
    parts.add(release.getPlan().getCause());
    if (!reason.isEmpty()) {
      parts.add(reason);
    }
    release.getPlan().getWarnings().forEach(warning -> parts.add("warning: " + warning));
    return String.join("; ", parts);
  }

  private void report(Collection<Release> releases) {
    Release judged =
        releases.stream()
            .filter(release -> release.getVerdict() != null)
            .filter(release -> !release.getVerdict().getTasks().isEmpty())
            .reduce((first, second) -> second)
            .orElseThrow(() -> new InvalidInput("no gate has measured a release of this pool"));
    long parameters =
        PoolModels.base(connection.kafka(), connection.topics())
            .map(base -> ManifestTensors.all(base).stream().mapToLong(TensorInfo::elements).sum())
            .orElse(0L);
    WholeFile.write(
        fusionBench,
        FusionBenchReport.of(judged.getVerdict().getTasks(), parameters).toPrettyString() + "\n");
  }
}
