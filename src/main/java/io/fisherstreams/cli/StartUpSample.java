package io.fisherstreams.cli;

import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.PoolTopics;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Uses what commands use, so that the launcher's class archive has it: a merge within the process,
 * and a pool that is asked over the network.
 */
final class StartUpSample {
  private StartUpSample() {}

  /** Arguments: a {@code merge.yaml} and the output of its merge. */
  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT);
    Main.run("merge", args[0], "--output", args[1]);
    try (TemporaryDirectory directory =
            TemporaryDirectory.create(Path.of(args[1]).toAbsolutePath().getParent());
        EmbeddedBroker broker =
            EmbeddedBroker.start(directory.path(), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      String[] connection = {
        "--bootstrap-servers", broker.bootstrapServers(), "--schema-registry", registry.url()
      };
      for (String command :
          List.of("topics create", "status", "releases", "alias", "withdraw nothing")) {
        List<String> line = new ArrayList<>(List.of(command.split(" ")));
        line.addAll(List.of(connection));
        Main.run(line.toArray(String[]::new));
      }
    }
    System.exit(0);
  }
}
