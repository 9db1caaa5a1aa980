package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ServeFileTest {
  private static final long OWN = ProcessHandle.current().pid();

  @TempDir private Path directory;

  private static ServeFile at(int port, long pid) {
    return new ServeFile(
        "digits",
        "127.0.0.1:" + port,
        URI.create("http://127.0.0.1:8081"),
        URI.create("http://127.0.0.1:8080"),
        pid);
  }

  @Test
  void theFileHasTheAddressesAndNothingElseIsLeft() throws IOException {
    at(9092, 17).write(directory);
    assertThat(Files.readString(directory.resolve("serve.json")))
        .isEqualToIgnoringWhitespace(
            """
            {
              "pool": "digits",
              "bootstrap_servers": "127.0.0.1:9092",
              "schema_registry": "http://127.0.0.1:8081",
              "api": "http://127.0.0.1:8080",
              "pid": 17
            }
            """);
    assertThat(ServeFile.find(directory)).contains(at(9092, 17));
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).containsExactly(directory.resolve("serve.json"));
    }
  }

  @Test
  void afterTheEndNoPoolIsFoundButItsAddressesAreKnown() {
    assertThat(ServeFile.find(directory)).isEmpty();
    assertThat(ServeFile.last(directory)).isEmpty();
    at(9092, 17).write(directory);
    ServeFile.retire(directory);
    assertThat(ServeFile.find(directory)).isEmpty();
    assertThat(ServeFile.last(directory)).contains(at(9092, 17));
    ServeFile.retire(directory);
    at(9093, 18).write(directory);
    assertThat(ServeFile.last(directory)).contains(at(9093, 18));
  }

  @Test
  void aPoolIsServedWhileItsProcessLivesAndListens() throws Exception {
    Process ended = new ProcessBuilder("true").start();
    ended.waitFor();
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      port = socket.getLocalPort();
      assertThat(at(port, OWN).isServed()).isTrue();
      assertThat(at(port, ended.pid()).isServed()).isFalse();
    }
    assertThat(at(port, OWN).isServed()).as("another process has the id").isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{\"pool\": \"p\"}",
        "{\"pool\": 1, \"bootstrap_servers\": 2, \"schema_registry\": 3, \"pid\": 4}",
        "{\"pool\": \"p\", \"bootstrap_servers\": \"x\", \"schema_registry\": \"http://h:1\", \"api\": \"http://h:1\", \"pid\": 4}",
        "{\"pool\": \"p\", \"bootstrap_servers\": \"h:1\", \"schema_registry\": \"a b\", \"api\": \"http://h:1\", \"pid\": 4}",
        "{\"pool\": "
      })
  void aFileOfAnotherKindIsNamed(String text) throws IOException {
    Path file = Files.writeString(directory.resolve("serve.json"), text);
    assertThatThrownBy(() -> ServeFile.find(directory))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith(file + " is not a file that serve has written");
  }

  @Test
  void onlyADirectoryOfItsOwnIsPrepared() throws IOException {
    Path own = directory.resolve("below/pool");
    ServeDirectory.prepare(own);
    Files.createDirectory(own.resolve("kafka"));
    ServeDirectory.prepare(own);
    Path other = Files.createDirectory(directory.resolve("other"));
    Files.createFile(other.resolve("thesis.tex"));
    assertThatThrownBy(() -> ServeDirectory.prepare(other))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith(other + " has other files; expected a new or empty directory");
    assertThatThrownBy(() -> ServeDirectory.prepare(other.resolve("thesis.tex")))
        .isInstanceOf(InvalidInput.class)
        .hasMessageEndingWith("is a file, expected a directory");
  }
}
