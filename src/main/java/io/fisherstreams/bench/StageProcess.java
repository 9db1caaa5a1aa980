package io.fisherstreams.bench;

import io.fisherstreams.files.TemporaryDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Coordinator and merge stage of a pool in a process of their own, with a state directory. */
final class StageProcess implements AutoCloseable {
  private final Path directory;
  private final List<String> arguments;
  private TemporaryDirectory state;
  private Process process;

  /**
   * A process that is not started.
   *
   * @param directory for its log and its state
   * @param arguments of the {@code run} command that name pool, broker and registry
   */
  StageProcess(Path directory, List<String> arguments) {
    this.directory = directory;
    this.arguments = arguments;
    this.state = TemporaryDirectory.create(directory);
  }

  void start() throws IOException {
    process =
        ChildProcess.start(
            log(),
            Stream.of(
                    List.of("run", "--stages=coordinator,merge"),
                    arguments,
                    List.of("--state-directory=" + state.path()))
                .flatMap(List::stream)
                .toList());
  }

  /** Asks it to stop, and waits until it has. */
  void stop() throws InterruptedException {
    process.destroy();
    process.waitFor();
  }

  /** Kills it. */
  void kill() throws InterruptedException {
    process.destroyForcibly().waitFor();
  }

  /** Replaces the state directory of a process that has ended by an empty one. */
  void loseState() {
    state.close();
    state = TemporaryDirectory.create(directory);
  }

  /** The files in which the merge stage keeps payloads. */
  Path payloads() {
    return state.path().resolve("merge").resolve("payloads");
  }

  void requireRunning() throws IOException {
    if (!process.isAlive()) {
      throw new IllegalStateException("the stages have ended: " + Files.readString(log()));
    }
  }

  private Path log() {
    return directory.resolve("stages.log");
  }

  @Override
  public void close() {
    try {
      if (process != null) {
        kill();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    state.close();
  }
}
