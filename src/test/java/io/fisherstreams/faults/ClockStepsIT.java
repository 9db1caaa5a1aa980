package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fisherstreams.cli.Main;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A pool whose wall clock is set while it runs, its broker included. Kafka's clients wait by the
 * wall clock: after a step back they send no heartbeats until it has caught up.
 */
@Tag("faults")
final class ClockStepsIT {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized").toAbsolutePath();
  private static final Path LIBRARY = Path.of("src/test/resources/clock.c").toAbsolutePath();
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  @TempDir private Path directory;
  private Process serve;

  @AfterEach
  void end() {
    if (serve != null) {
      serve.destroyForcibly();
    }
  }

  @Test
  void releasesGoOnWhenTheClockIsSetForwardAndBack() throws Exception {
    start(compiled());
    publish("checkpoint", "base", "base.safetensors", "--base");
    publish("checkpoint", "model-a", "model-a.safetensors");
    publish("fisher", "model-a", "model-a.fisher.safetensors", "--wait");

    setClock(Duration.ofHours(2));
    weigh("0.5");
    setClock(Duration.ofMinutes(118));
    awaitNoHeartbeats();
    weigh("0.25");
    setClock(Duration.ofHours(4));
    weigh("0.125");
    setClock(Duration.ZERO);
    awaitNoHeartbeats();
    weigh("0.75");

    assertThat(serve.isAlive()).isTrue();
    assertThat(Files.readString(directory.resolve("err"))).doesNotContain("is replaced", " ends: ");
    serve.destroy();
    assertThat(serve.waitFor(2, TimeUnit.MINUTES)).isTrue();
    assertThat(serve.exitValue()).isEqualTo(143);
  }

  /** A library that adds seconds from a file to what programs read from the wall clock. */
  private Path compiled() throws Exception {
    Path library = directory.resolve("clock.so");
    int exit = -1;
    try {
      exit =
          new ProcessBuilder("cc", "-shared", "-fPIC", "-O2", "-o", library + "", LIBRARY + "")
              .redirectErrorStream(true)
              .redirectOutput(directory.resolve("cc.log").toFile())
              .start()
              .waitFor();
    } catch (IOException e) {
      assumeTrue(false, "a C compiler, cc, is needed to set a program's clock");
    }
    assertThat(exit).as(Files.readString(directory.resolve("cc.log"))).isZero();
    return library;
  }

  private void start(Path library) throws IOException {
    setClock(Duration.ZERO);
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            "io.fisherstreams.cli.Main",
            "serve",
            directory.resolve("pool").toString());
    builder.environment().put("LD_PRELOAD", library.toString());
    builder.environment().put("CLOCK_FILE", directory.resolve("clock").toString());
    Path out = directory.resolve("out");
    Path err = directory.resolve("err");
    serve = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    await()
        .atMost(PATIENCE)
        .until(() -> !serve.isAlive() || Files.readString(out).contains("ready;"));
    assertThat(serve.isAlive()).as(Files.readString(err)).isTrue();
  }

  /** Sets the pool's clock so far ahead of the machine's. */
  private void setClock(Duration ahead) throws IOException {
    ByteBuffer seconds = ByteBuffer.allocate(4096).order(ByteOrder.nativeOrder());
    // in place: the pool has the file in its memory
    try (FileChannel file =
        FileChannel.open(
            directory.resolve("clock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      file.write(seconds.putLong(0, ahead.toSeconds()), 0);
    }
  }

  /** Waits until the broker has given the members of the groups up. */
  private void awaitNoHeartbeats() {
    await()
        .atMost(PATIENCE)
        .until(
            () -> said("status").lines().filter(line -> line.contains("no instance")).count() > 1);
  }

  private void weigh(String coefficient) {
    assertThat(said("weight", "model-a", coefficient, "--wait", "--timeout", "3m"))
        .contains("has it");
  }

  private void publish(String kind, String model, String file, String... more) {
    List<String> line =
        new ArrayList<>(List.of("publish", kind, CASE.resolve(file).toString(), "--model", model));
    line.addAll(List.of(more));
    assertThat(said(line.toArray(String[]::new))).contains("published");
  }

  private String said(String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(List.of("--local", directory.resolve("pool").toString()));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      Main.run(line.toArray(String[]::new));
    } finally {
      System.setOut(before);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
