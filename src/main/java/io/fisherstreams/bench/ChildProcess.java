package io.fisherstreams.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The command line run as a process of its own, with this process's Java options.
 *
 * @param seconds from start to exit
 * @param anonymousBytes the largest anonymous resident memory that was seen; 0 where the system has
 *     no {@code /proc}
 */
record ChildProcess(double seconds, long anonymousBytes) {
  /**
   * Runs to the end; throws an {@link IllegalStateException} with the output when the exit code is
   * not 0.
   */
  static ChildProcess run(Path log, List<String> arguments)
      throws IOException, InterruptedException {
    long start = System.nanoTime();
    Process process = start(log, arguments);
    long max = 0;
    while (!process.waitFor(20, TimeUnit.MILLISECONDS)) {
      max = Math.max(max, anonymous(process.pid()));
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    if (process.exitValue() != 0) {
      throw new IllegalStateException(
          arguments + " ended with " + process.exitValue() + ": " + Files.readString(log));
    }
    return new ChildProcess(seconds, max);
  }

  /** Starts it and does not wait. */
  static Process start(Path log, List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add("io.fisherstreams.cli.Main");
    command.addAll(arguments);
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start();
  }

  private static long anonymous(long pid) {
    try {
      for (String line : Files.readAllLines(Path.of("/proc", Long.toString(pid), "status"))) {
        if (line.startsWith("RssAnon:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) << 10;
        }
      }
    } catch (IOException e) {
      // the process has just ended
    }
    return 0;
  }
}
