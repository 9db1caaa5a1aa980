package io.fisherstreams.estimation;

import io.fisherstreams.Backoff;
import io.fisherstreams.files.DirectoryLock;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.kafka.FailureBudget;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.micrometer.core.instrument.Counter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.admin.Admin;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One instance of the gradient stage: a {@link GradientWorker} on a thread of its own, replaced
 * when it fails with an error that a retry may fix.
 */
public final class GradientStage implements StageInstance {
  private static final Logger LOG = LoggerFactory.getLogger(GradientStage.class);
  private static final Duration FIRST_PAUSE = Duration.ofMillis(500);
  private static final Duration MAX_PAUSE = Duration.ofSeconds(5);
  private static final Duration END_WITHIN = Duration.ofSeconds(20);
  private static final String IDENTITY = "instance";

  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final GradientOptions options;
  private final Compute compute;
  private final ClaimListener listener;
  private final Path directory;
  private final int partitions;
  private final DirectoryLock lock;
  private final String instance;
  private final FailureBudget failures;
  private final FailedExamples failedExamples;
  private final CompletableFuture<Optional<Throwable>> ended = new CompletableFuture<>();
  private final Thread thread = new Thread(this::work, Stage.GRADIENT.text());
  private final Counter replaced = Meter.REPLACED_THREADS.counter(Stage.GRADIENT.text());
  private final Backoff backoff = new Backoff(FIRST_PAUSE, MAX_PAUSE);
  private GradientWorker worker;
  private boolean closed;

  private GradientStage(
      KafkaSettings kafka,
      PoolTopics topics,
      GradientOptions options,
      Compute compute,
      ClaimListener listener,
      Path directory,
      int partitions,
      DirectoryLock lock) {
    this.kafka = kafka;
    this.topics = topics;
    this.options = options;
    this.compute = compute;
    this.listener = listener;
    this.directory = directory;
    this.partitions = partitions;
    this.lock = lock;
    this.failures = new FailureBudget(directory);
    this.failedExamples = new FailedExamples(FailedRecords.in(directory));
    this.instance = instance(directory.resolve(IDENTITY));
  }

  /**
   * An instance that is not started; rejects a pool whose topics are missing or do not fit, and a
   * device that is not there.
   *
   * @param directory used by this instance only
   */
  public static GradientStage create(
      KafkaSettings kafka, PoolTopics topics, GradientOptions options, Path directory) {
    return create(kafka, topics, options, ClaimListener.NONE, directory);
  }

  /** The same with a listener that is notified of its claims. */
  public static GradientStage create(
      KafkaSettings kafka,
      PoolTopics topics,
      GradientOptions options,
      ClaimListener listener,
      Path directory) {
    Compute compute = options.compute().resolve(LOG::info);
    int partitions;
    try (Admin admin = kafka.admin()) {
      partitions = new PoolAdmin(admin, topics).check();
    }
    DirectoryLock lock = DirectoryLock.lock(directory);
    try {
      return new GradientStage(
          kafka, topics, options, compute, listener, directory, partitions, lock);
    } catch (RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  /** The instance's lasting name: by it a restarted instance ends the transaction it left open. */
  private static String instance(Path file) {
    try {
      if (Files.exists(file)) {
        return Files.readString(file).strip();
      }
      String fresh = UUID.randomUUID().toString();
      Path written = Files.writeString(file.resolveSibling(IDENTITY + ".new"), fresh);
      Files.move(written, file);
      return fresh;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read or write the instance's name in " + file, e);
    }
  }

  @Override
  public void start() {
    thread.start();
  }

  @Override
  public CompletableFuture<Optional<Throwable>> ended() {
    return ended;
  }

  private void work() {
    Optional<Throwable> end = Optional.empty();
    while (end.isEmpty() && !isClosed()) {
      try (GradientWorker current = next()) {
        current.run();
      } catch (Throwable failure) {
        end = failures.fatal(failure);
        if (end.isPresent()) {
          LOG.error("stage gradient ends: {}", end.get().toString(), failure);
        } else if (!isClosed()) {
          replaced.increment();
          LOG.warn(
              "stage gradient: a worker is replaced after: {}", failures.cause(failure), failure);
          pause();
        }
      }
    }
    ended.complete(end);
  }

  private synchronized GradientWorker next() {
    worker =
        new GradientWorker(
            kafka,
            topics,
            options,
            compute,
            listener,
            failedExamples,
            directory.resolve("model"),
            instance,
            partitions);
    if (closed) {
      worker.stop();
    }
    return worker;
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  @SuppressWarnings("WaitNotInLoop") // a pause that ends early does no harm
  private synchronized void pause() {
    try {
      if (!closed) {
        wait(backoff.next().toMillis());
      }
    } catch (InterruptedException e) {
      closed = true;
    }
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      if (worker != null) {
        worker.stop();
      }
      notifyAll();
    }
    try {
      thread.join(END_WITHIN.toMillis());
      if (thread.isAlive()) {
        thread.interrupt(); // it may wait for brokers that are gone
        thread.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    ended.complete(Optional.empty());
    lock.close();
  }
}
