package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.ReleaseReader;
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

  @Option(names = "--json", description = "Prints one JSON object a release, with its whole plan.")
  private boolean json;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    List<Release> releases = new ReleaseReader(connection.kafka(), connection.topics()).all();
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      releases.forEach(out::println);
      return 0;
    }
    out.printf(
        "%-8s %-10s %-24s %-7s %-16s %s%n",
        "RELEASE", "STATUS", "AT", "MODELS", "CHECKSUM", "CAUSE");
    for (Release release : releases) {
      List<PlannedModel> models = release.getPlan().getModels();
      out.printf(
          "%-8d %-10s %-24s %-7d %-16s %s%n",
          release.getRelease(),
          release.getStatus(),
          release.getAt(),
          models.size(),
          release.getChecksum().isEmpty() ? "-" : release.getChecksum(),
          cause(release));
    }
    return 0;
  }

  private static String cause(Release release) {
    String said =
        release.getReason().isEmpty() && release.getVerdict() != null
            ? release.getVerdict().getReason()
            : release.getReason();
    return said.isEmpty()
        ? release.getPlan().getCause()
        : release.getPlan().getCause() + "; " + said;
  }
}
