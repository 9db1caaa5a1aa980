package io.fisherstreams.kafka;

import io.fisherstreams.metrics.Meter;
import io.micrometer.core.instrument.Counter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.TaskId;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one stage: owns its Kafka Streams client and the resources of its topology. A stream thread
 * that fails is replaced. Threads that keep failing, or a failure that a new thread cannot fix,
 * such as a full disk, end the stage.
 */
public final class StageRunner implements StageInstance {
  private static final Logger LOG = LoggerFactory.getLogger(StageRunner.class);

  // A process manager kills what does not end within 30 s.
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(20);

  private final String name;
  private final KafkaStreams streams;
  private final List<AutoCloseable> resources;
  private final CompletableFuture<Void> ready = new CompletableFuture<>();
  private final CompletableFuture<Optional<Throwable>> ended = new CompletableFuture<>();
  private final FailureBudget deaths;
  private final FailedRecords failures;
  private final Counter replaced;

  /**
   * A stage that is not started.
   *
   * @param failures counts the records that made the stage fail
   * @param resources closed after the client, the last one first
   */
  public StageRunner(
      String name,
      Topology topology,
      Map<String, Object> config,
      FailedRecords failures,
      List<AutoCloseable> resources) {
    this.name = name;
    this.failures = failures;
    this.replaced = Meter.REPLACED_THREADS.counter(name);
    this.resources = new ArrayList<>(resources);
    deaths = new FailureBudget(config.get(StreamsConfig.STATE_DIR_CONFIG));
    Properties properties = new Properties();
    properties.putAll(new HashMap<>(config));
    streams = new KafkaStreams(topology, properties, new MonotonicTime());
    streams.setUncaughtExceptionHandler(this::onDeath);
    streams.setGlobalStateRestoreListener(new RestoreLog(name));
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.RUNNING) {
            ready.complete(null);
          }
          if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
            ended.complete(Optional.empty());
          }
        });
  }

  private StreamThreadExceptionResponse onDeath(Throwable death) {
    Optional<String> task =
        death instanceof StreamsException known
            ? known.taskId().map(TaskId::toString)
            : Optional.empty();
    // A record's failures have a limit of their own.
    Optional<Throwable> end =
        failures.failed(task, death, false) && !FailureBudget.hasError(death)
            ? Optional.empty()
            : deaths.fatal(death);
    if (end.isPresent()) {
      LOG.error("stage {} ends: {}", name, end.get().toString(), death);
      ended.complete(end);
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    }
    replaced.increment();
    LOG.warn("stage {}: a thread is replaced after: {}", name, deaths.cause(death), death);
    return StreamThreadExceptionResponse.REPLACE_THREAD;
  }

  @Override
  public void start() {
    streams.start();
  }

  @Override
  public CompletableFuture<Void> ready() {
    return ready;
  }

  @Override
  public CompletableFuture<Optional<Throwable>> ended() {
    return ended;
  }

  /** The Kafka Streams client, for its metrics and state. */
  public KafkaStreams streams() {
    return streams;
  }

  @Override
  public synchronized void close() {
    // Leaving the group lets the other instances take the tasks over at once.
    boolean hasEnded =
        streams.close(
            CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP)
                .withTimeout(CLOSE_WITHIN));
    if (!hasEnded) {
      // A thread may still use the native memory of its stores; it ends with the process.
      LOG.warn("stage {} has not ended within {} s", name, CLOSE_WITHIN.toSeconds());
      return;
    }
    Collections.reverse(resources);
    for (AutoCloseable resource : resources) {
      try {
        resource.close();
      } catch (Exception e) {
        LOG.warn("stage {}: cannot close {}", name, resource, e);
      }
    }
    resources.clear();
  }
}
