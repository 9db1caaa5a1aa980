package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.record.ReleaseStatus;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A base that is published from a folder brings its files into the pool. */
class CompanionsIT {
  private static final Path EXAMPLES = Path.of("examples");

  @TempDir private Path directory;

  @Test
  void anExportNeedsNoFolderOfTheBase() throws Exception {
    Path base = Files.createDirectory(directory.resolve("base"));
    for (String name : new String[] {"config.json", "model.safetensors"}) {
      Files.copy(EXAMPLES.resolve("base").resolve(name), base.resolve(name));
    }
    Files.writeString(base.resolve("tokenizer.json"), "{\"version\": \"1.0\", \"é\": 1}");
    Files.writeString(base.resolve("code.py"), "print()");
    try (CommandPool pool = new CommandPool(directory, 2, PlanPolicy.atOnce(Set.of("cars")))) {
      pool.output("publish", "checkpoint", base.toString(), "--model", "base", "--base");
      String cars = EXAMPLES.resolve("cars").toString();
      pool.output("publish", "checkpoint", cars, "--model", "cars");
      pool.output("publish", "fisher", cars + ".fisher.safetensors", "--model", "cars");
      pool.awaitRelease("the release", r -> r.getStatus() == ReleaseStatus.COMPLETE);
      Path out = directory.resolve("out");
      pool.output("export", "--output", out.toString());
      for (String name : new String[] {"config.json", "tokenizer.json"}) {
        assertThat(out.resolve(name)).hasSameBinaryContentAs(base.resolve(name));
      }
      try (Stream<Path> files = Files.list(out)) {
        assertThat(files.map(file -> file.getFileName().toString()))
            .containsExactlyInAnyOrder(
                "README.md", "config.json", "model.safetensors", "tokenizer.json");
      }
      try (Checkpoint release = Checkpoint.open(out);
          Checkpoint original = Checkpoint.open(base)) {
        assertThat(release.tensors()).isEqualTo(original.tensors());
      }
      Path withFolder = directory.resolve("with-folder");
      pool.output("export", "--output", withFolder.toString(), "--base-folder", base.toString());
      for (String name : new String[] {"config.json", "tokenizer.json", "model.safetensors"}) {
        assertThat(withFolder.resolve(name)).hasSameBinaryContentAs(out.resolve(name));
      }
    }
  }
}
