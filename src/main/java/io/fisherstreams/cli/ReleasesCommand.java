package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.ReleaseJson;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.util.List;
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
  @Mixin private Connection connection;

  @Option(
      names = "--json",
      description = "Prints each release as one line of JSON, with its whole plan.")
  private boolean json;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    List<Release> releases = new ReleaseReader(connection.kafka(), connection.topics()).all();
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      releases.forEach(release -> out.println(ReleaseJson.text(release)));
      return 0;
    }
    TextTable table = new TextTable().left().left().left().left().left().left();
    table.row("RELEASE", "STATUS", "AT", "MODELS", "CHECKSUM", "CAUSE");
    for (Release release : releases) {
      table.row(
          release.getRelease(),
          release.getStatus(),
          release.getAt(),
          release.getPlan().getModels().size(),
          release.getChecksum().isEmpty() ? "-" : release.getChecksum(),
          cause(release));
    }
    table.print(out);
    return 0;
  }

  private static String cause(Release release) {
    String reason =
        release.getReason().isEmpty() && release.getVerdict() != null
            ? release.getVerdict().getReason()
            : release.getReason();
    return reason.isEmpty()
        ? release.getPlan().getCause()
        : release.getPlan().getCause() + "; " + reason;
  }
}
