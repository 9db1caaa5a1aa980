package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.faults.SmallDisk;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.function.IntSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands whose output or work does not fit say so before they begin, and leave nothing. */
final class FullDiskIT {
  private static final Path EXAMPLES = Path.of("examples").toAbsolutePath();

  @TempDir private Path directory;
  private SmallDisk disk;

  @BeforeEach
  void mount() throws IOException {
    try {
      disk = SmallDisk.mount(directory.resolve("disk"));
    } catch (IOException e) {
      assumeTrue(false, "a small disk needs the right to mount: " + e.getMessage());
    }
    disk.fill();
  }

  @AfterEach
  void unmount() throws IOException {
    if (disk != null) {
      disk.close();
    }
  }

  @Test
  void fisherSaysItBeforeItEstimates() throws IOException {
    assertRejected(
        "the output needs",
        "--output",
        () ->
            Main.run(
                "fisher",
                "--model",
                example("cars"),
                "--examples",
                example("cars.examples.safetensors"),
                "--num-examples",
                "4",
                "--output",
                disk.directory().resolve("fisher.safetensors").toString()));
  }

  @Test
  void demoSaysItBeforeItTrains() throws IOException {
    assertRejected(
        "the result needs",
        "--output",
        () -> Main.run("demo", "--output", disk.directory().toString()));
  }

  @Test
  void exportAndEvaluateSayItBeforeTheyReadARelease() throws IOException {
    try (CommandPool pool =
        new CommandPool(
            directory.resolve("pool"),
            1,
            new PlanPolicy(Duration.ZERO, Duration.ZERO, 10, Duration.ZERO, Set.of()))) {
      pool.output("publish", "checkpoint", example("base"), "--model", "base", "--base");
      pool.output("publish", "checkpoint", example("cars"), "--model", "cars");
      pool.output(
          "publish", "fisher", example("cars.fisher.safetensors"), "--model", "cars", "--wait");
      assertRejected(
          "the output needs",
          "--output",
          () ->
              pool.run("export", "--output", disk.directory().resolve("m.safetensors").toString()));
      assertRejected(
          "the release needs",
          "--work-directory",
          () ->
              pool.run(
                  "evaluate",
                  "--model",
                  "1",
                  "--folder",
                  example("cars"),
                  "--examples",
                  example("cars.examples.safetensors"),
                  "--work-directory",
                  disk.directory().toString()));
    }
  }

  private static String example(String name) {
    return EXAMPLES.resolve(name).toString();
  }

  private void assertRejected(String what, String option, IntSupplier command) throws IOException {
    List<Path> before = files();
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream err = System.err;
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    int exit;
    try {
      exit = command.getAsInt();
    } finally {
      System.setErr(err);
    }
    String text = said.toString(StandardCharsets.UTF_8);
    assertThat(exit).as(text).isEqualTo(1);
    assertThat(text)
        .contains("fisher-streams: " + disk.directory(), " has 0 MiB of free space, but " + what)
        .contains("name another folder with " + option);
    assertThat(files()).isEqualTo(before);
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.walk(disk.directory())) {
      return files.filter(Files::isRegularFile).sorted().toList();
    }
  }
}
