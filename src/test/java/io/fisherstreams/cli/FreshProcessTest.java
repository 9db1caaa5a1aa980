package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Commands that need no broker, each in a process of its own: no other test has initialised a class
 * that they need.
 */
class FreshProcessTest {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized");

  @TempDir private Path directory;

  private void run(String... arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                "io.fisherstreams.cli.Main"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
  }

  @Test
  void mergesFiles() throws Exception {
    Path merged = directory.resolve("merged.safetensors");
    run("merge", CASE.resolve("merge.yaml").toString(), "--output", merged.toString());
    assertThat(merged).exists();
  }
}
