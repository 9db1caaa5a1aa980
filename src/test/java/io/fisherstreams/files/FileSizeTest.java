package io.fisherstreams.files;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileSizeTest {
  @TempDir private Path directory;

  @Test
  void aFileAboveTheLimitIsNamedWithBothSizes() throws IOException {
    Path file = Files.write(directory.resolve("tokenizer.json"), new byte[1001]);
    assertThatCode(() -> FileSize.requireAtMost(file, 1001)).doesNotThrowAnyException();
    assertThatThrownBy(() -> FileSize.requireAtMost(file, 1000))
        .isInstanceOf(InvalidInput.class)
        .hasMessage(file + ": 1001 bytes, expected at most 1000");
  }
}
