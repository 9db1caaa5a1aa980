package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LocalClusterTest {
  @TempDir private Path directory;

  @Test
  void theEndOfAPoolLeavesTheFileOfTheNextOneInItsPlace() throws Exception {
    Path home = directory.resolve("pool");
    LocalCluster first = LocalCluster.start(home, 0, 0);
    try (first) {
      first.announce("pool", URI.create("http://127.0.0.1:1"));
      assertThat(ServeFile.find(home)).isPresent();
      Files.move(home, directory.resolve("moved"));
      try (LocalCluster next = LocalCluster.start(home, 0, 0)) {
        next.announce("pool", URI.create("http://127.0.0.1:2"));
        first.close();
        assertThat(ServeFile.find(home).orElseThrow().bootstrapServers())
            .isEqualTo(next.bootstrapServers());
      }
      assertThat(ServeFile.find(home)).as("its own end").isEmpty();
    }
  }
}
