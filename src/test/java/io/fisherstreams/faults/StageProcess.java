package io.fisherstreams.faults;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The command line program as a process of its own, to be killed without notice. */
final class StageProcess implements Instance {
  private final List<String> command;
  private final Path log;
  private Process process;

  /** A process that is not started; its output is appended to the log. */
  StageProcess(Path log, List<String> arguments) {
    this.log = log;
    command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:TieredStopAtLevel=1", // a process that lives for seconds
                "-XX:+UseSerialGC",
                "-Dai.djl.offline=true",
                // PyTorch's threads spin while they wait: two processes took 30 times as long
                "-Dai.djl.pytorch.num_threads=1",
                "-cp",
                System.getProperty("java.class.path"),
                "io.fisherstreams.cli.Main"));
    command.addAll(arguments);
  }

  @Override
  public void start() {
    try {
      process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.appendTo(new File(log.toString())))
              .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Writes Kafka settings with which a killed instance is given up, and its transaction aborted,
   * within seconds.
   */
  static Path quicklyGivenUp(Path directory) throws IOException {
    return Files.write(
        directory.resolve("client.properties"),
        List.of(
            "session.timeout.ms=3000", "heartbeat.interval.ms=500", "transaction.timeout.ms=4000"));
  }

  private static boolean endsWithin(long seconds, Process process) {
    try {
      return process.waitFor(seconds, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /** SIGKILL; returns when the process is gone. */
  void kill() {
    if (!endsWithin(30, process.destroyForcibly())) {
      throw new IllegalStateException("process " + process.pid() + " outlives its SIGKILL");
    }
  }

  /** SIGSTOP: it stands still with its connections open. */
  void stall() {
    signal("STOP");
  }

  /** SIGCONT. */
  void goOn() {
    signal("CONT");
  }

  private void signal(String signal) {
    try {
      Process sent = new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid())).start();
      if (!endsWithin(30, sent) || sent.exitValue() != 0) {
        throw new IllegalStateException("process " + process.pid() + " takes no SIG" + signal);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** SIGTERM; returns when the process is gone. */
  @Override
  public void stop() {
    process.destroy();
    join();
  }

  @Override
  public String log() {
    try {
      List<String> lines = Files.readAllLines(log);
      return String.join("\n  ", lines.subList(Math.max(0, lines.size() - 15), lines.size()));
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** Waits for its own end; returns what it printed. */
  String join() {
    if (!endsWithin(120, process)) {
      kill();
      throw new AssertionError(command + " does not end");
    }
    try {
      return Files.readString(log);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The exit code of a process that has ended. */
  int exitCode() {
    return process.exitValue();
  }

  @Override
  public void close() {
    if (process != null) {
      kill();
    }
  }
}
