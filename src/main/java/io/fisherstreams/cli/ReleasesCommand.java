package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseJson;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
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

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    try (ReleaseFeed feed = new ReleaseFeed(connection.kafka(), connection.topics())) {
      Map<Long, Release> releases = feed.upToDate();
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
}
