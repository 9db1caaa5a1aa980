package io.fisherstreams.faults;

import io.fisherstreams.coordinator.CoordinatorStage;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageRunner;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.merge.MergeStage;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;

/**
 * An instance in this process, on Kafka clients that can be told to fail ({@link FaultyClients}).
 */
final class StageThread implements Instance {
  private final boolean isCoordinator;
  private final KafkaSettings kafka;
  private final String pool;
  private final String registry;
  private final Path stateDirectory;
  private final ClientCalls calls = new ClientCalls();
  private volatile StageRunner runner;

  /** An instance that is not started. */
  StageThread(String name, KafkaSettings kafka, String pool, String registry, Path stateDirectory) {
    this.isCoordinator = name.startsWith("coordinator");
    this.pool = pool;
    this.registry = registry;
    this.stateDirectory = stateDirectory;
    Map<String, String> client = new HashMap<>(kafka.client());
    client.put(StreamsConfig.DEFAULT_CLIENT_SUPPLIER_CONFIG, FaultyClients.class.getName());
    client.put(FaultyClients.CALLS, FaultyClients.register(calls));
    // Topics have no common order; where Streams knows of more, it may wait for it and give them
    // one. Nothing may hang on that.
    client.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, "-1");
    this.kafka = new KafkaSettings(kafka.bootstrapServers(), client);
  }

  /** Starts it with a registry client that has read nothing yet. */
  @Override
  public void start() {
    PoolTopics topics = new PoolTopics(pool, SchemaRegistry.connect(registry, Map.of()));
    StreamsOptions options = new StreamsOptions(stateDirectory, 1, 0, -1);
    runner =
        isCoordinator
            ? CoordinatorStage.create(kafka, topics, options, PlanPolicy.standard())
            : MergeStage.create(kafka, topics, options, MergeOptions.standard());
    runner.start();
  }

  Path stateDirectory() {
    return stateDirectory;
  }

  /** What goes through its clients. */
  ClientCalls calls() {
    return calls;
  }

  boolean isRunning() {
    return runner.streams().state() == KafkaStreams.State.RUNNING;
  }

  boolean hasJoined() {
    return runner != null && runner.streams().state() != KafkaStreams.State.CREATED;
  }

  /** Partitions that it works on; none while another thread is still making it. */
  int tasks() {
    return runner == null
        ? 0
        : runner.streams().metadataForLocalThreads().stream()
            .mapToInt(thread -> thread.activeTasks().size())
            .sum();
  }

  /** What ended it; empty while it runs. */
  Optional<Throwable> end() {
    return runner.ended().getNow(Optional.empty());
  }

  @Override
  public void stop() {
    if (runner != null) {
      runner.close();
      runner = null;
    }
  }

  @Override
  public String log() {
    return runner == null
        ? "stopped"
        : runner.streams().state() + " " + runner.streams().metadataForLocalThreads();
  }

  @Override
  public void close() {
    stop();
  }
}
