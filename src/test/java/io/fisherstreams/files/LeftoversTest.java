package io.fisherstreams.files;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What killed processes leave, and what the next one does with it. */
class LeftoversTest {
  @TempDir private Path directory;

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void theFolderOfAKilledProcessIsRemovedAndThatOfALivingOneStays() throws IOException {
    Path killed = Files.createDirectories(directory.resolve("fisher-streams-1/kafka"));
    Files.writeString(killed.resolve("log"), "x");
    Files.createFile(directory.resolve("fisher-streams-1/.in-use"));
    Files.createDirectory(directory.resolve("fisher-streams-demo"));
    try (TemporaryDirectory living = TemporaryDirectory.create(directory);
        TemporaryDirectory next = TemporaryDirectory.create(directory)) {
      assertThat(living.path()).exists();
      assertThat(next.path()).exists();
      assertThat(names()).hasSize(3).contains("fisher-streams-demo");
    }
    assertThat(names()).containsExactly("fisher-streams-demo");
  }

  @Test
  void theHalfOutputOfAKilledProcessIsRemovedAndThatOfALivingOneStays() throws IOException {
    Files.writeString(directory.resolve(".out.1.tmp"), "half");
    Files.createFile(directory.resolve(".out.1.lock"));
    Files.writeString(directory.resolve(".out.2.tmp"), "another tool's");
    Path target = directory.resolve("out");
    try (AtomicOutput living = new AtomicOutput(OutputTarget.file(target));
        AtomicOutput next = new AtomicOutput(OutputTarget.file(target))) {
      living.create();
      next.create();
      assertThat(names()).hasSize(5).contains(".out.2.tmp").doesNotContain(".out.1.tmp");
      next.commit();
    }
    assertThat(names()).containsExactly(".out.2.tmp", "out");
  }

  /**
   * Another process: makes and removes a temporary folder and an output where its test has some.
   */
  static final class Neighbour {
    private Neighbour() {}

    public static void main(String[] directory) {
      Path place = Path.of(directory[0]);
      try (TemporaryDirectory folder = TemporaryDirectory.create(place);
          AtomicOutput output = new AtomicOutput(OutputTarget.file(place.resolve("out")))) {
        output.create();
        System.out.println(folder.path());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  @Test
  void anotherProcessLeavesTheFoldersAndOutputsOfALivingOneAlone() throws Exception {
    Path target = directory.resolve("out");
    try (TemporaryDirectory first = TemporaryDirectory.create(directory);
        AtomicOutput output = new AtomicOutput(OutputTarget.file(target))) {
      output.create();
      // This process, too, looks for leftovers: that must not give its own locks away.
      try (TemporaryDirectory second = TemporaryDirectory.create(directory);
          AtomicOutput other = new AtomicOutput(OutputTarget.file(target))) {
        other.create();
        final List<String> before = names();
        Process neighbour =
            new ProcessBuilder(
                    ProcessHandle.current().info().command().orElseThrow(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    Neighbour.class.getName(),
                    directory.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(neighbour.getInputStream().readAllBytes(), UTF_8);
        assertThat(neighbour.waitFor()).as(said).isZero();
        assertThat(said).contains("fisher-streams-").doesNotContain("which a killed process left");
        assertThat(names()).isEqualTo(before);
        assertThat(first.path()).exists();
        assertThat(second.path()).exists();
      }
    }
    assertThat(names()).isEmpty();
  }

  @Test
  void anOutputBelowAFileOrWithoutANameIsRejected() throws IOException {
    Path file = Files.createFile(directory.resolve("file"));
    assertThatThrownBy(() -> OutputTarget.file(file.resolve("x")))
        .isInstanceOf(InvalidInput.class)
        .hasMessageEndingWith(file + " is a file");
    assertThatThrownBy(() -> OutputTarget.file(Path.of("")))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("the output's name is empty");
    assertThatThrownBy(() -> TemporaryDirectory.create(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("is a file, expected a folder");
  }

  @Test
  void tooLittleSpaceIsToldWithTheFolderAndTheOption() {
    assertThatThrownBy(
            () -> DiskSpace.require(directory, Long.MAX_VALUE, "the merge", "--work-directory"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith(directory + " has ")
        .hasMessageContaining("the merge needs about 8796093022208 MiB")
        .hasMessageEndingWith("with --work-directory");
    DiskSpace.require(directory, 1, "the merge", "--work-directory");
  }
}
