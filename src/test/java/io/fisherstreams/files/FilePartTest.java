package io.fisherstreams.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FilePartTest {
  @TempDir private Path directory;

  @Test
  void partsAreReadAndWrittenWhereTheyAre() throws IOException {
    Path path = Files.write(directory.resolve("file"), new byte[] {1, 2, 3, 4, 5});
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      FilePart.write(file, 1, ByteBuffer.wrap(new byte[] {9, 8}));
      ByteBuffer two = ByteBuffer.allocate(2);
      assertThat(FilePart.read(file, 2, two)).isTrue();
      assertThat(two.array()).containsExactly(8, 4);

      ByteBuffer four = ByteBuffer.allocate(4);
      assertThat(FilePart.read(file, 3, four)).as("the file ends").isFalse();
      assertThat(four.position()).isEqualTo(2);
      assertThat(four.array()).containsExactly(4, 5, 0, 0);
    }
    assertThat(path).hasBinaryContent(new byte[] {1, 9, 8, 4, 5});
  }
}
