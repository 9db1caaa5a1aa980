package io.fisherstreams.files;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicOutputTest {
  @TempDir Path folder;

  @Test
  void aFileAppearsWithCommitAndNotBefore() throws IOException {
    Path target = Files.writeString(folder.resolve("out"), "old");
    try (AtomicOutput output = new AtomicOutput(OutputTarget.file(target))) {
      AtomicOutput.OutputFile file = output.create();
      file.write(ByteBuffer.wrap("cd".getBytes(UTF_8)), 2);
      file.write(ByteBuffer.wrap("ab".getBytes(UTF_8)), 0);
      assertThat(target).hasContent("old");
      output.commit();
      assertThat(target).hasContent("abcd");
      assertThatThrownBy(() -> file.write(ByteBuffer.allocate(1), 0))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("already committed");
    }
    assertThat(target).hasContent("abcd");
    assertThat(namesIn(folder)).containsExactly("out");
  }

  @Test
  void aFolderWithoutCommitLeavesNothingBehind() throws IOException {
    Path target = folder.resolve("out");
    AtomicOutput output = new AtomicOutput(OutputTarget.folder(target));
    output.add("a", new byte[3]);
    output.create("b").write(ByteBuffer.allocate(2), 0);
    assertThat(target).doesNotExist();
    output.close();
    assertThat(namesIn(folder)).isEmpty();
    assertThatThrownBy(output::commit)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("already closed");
  }

  @Test
  void aSmallFileInAMissingFolderIsRejectedWithTheReason() {
    Path file = folder.resolve("missing").resolve("report.json");
    assertThatThrownBy(() -> WholeFile.write(file, "{}"))
        .isInstanceOf(InvalidInput.class)
        .hasMessage(file + " cannot be written: its folder does not exist");
  }

  private static List<String> namesIn(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }
}
