package io.fisherstreams.local;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.apache.kafka.clients.admin.Admin;

/** A whole pool in this process: embedded broker, registry, topics and stages. It owns them all. */
public final class LocalPool implements AutoCloseable {
  private static final String POOL = "pool";

  private final EmbeddedBroker broker;
  private final PoolRunner runner;

  private LocalPool(EmbeddedBroker broker, PoolRunner runner) {
    this.broker = broker;
    this.runner = runner;
  }

  /**
   * Starts everything.
   *
   * @param directory holds the broker's log and the stages' state; the caller removes it
   * @param partitions of the sharded topics
   * @param threads stream threads of the merge stage
   * @param options of the merge stage
   */
  public static LocalPool start(
      Path directory, int partitions, int threads, MergeOptions options, PlanPolicy policy) {
    EmbeddedBroker broker =
        EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    try {
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      PoolTopics topics = new PoolTopics(POOL, SchemaRegistry.inMemory());
      try (Admin admin = kafka.admin()) {
        new PoolAdmin(admin, topics).create(partitions, Optional.empty());
      }
      return new LocalPool(
          broker,
          PoolRunner.start(kafka, topics, directory.resolve("state"), threads, options, policy));
    } catch (RuntimeException e) {
      broker.close();
      throw e;
    }
  }

  /**
   * Runs work that needs the pool on the calling thread, and ends it when the broker fails.
   *
   * @param work receives the stages
   * @throws io.fisherstreams.InvalidInput with the broker's failure when it failed
   */
  public <T> T run(Function<PoolRunner, T> work) {
    return broker.run(() -> work.apply(runner));
  }

  /** The stages. */
  public PoolRunner runner() {
    return runner;
  }

  @Override
  public void close() {
    try {
      runner.close();
    } finally {
      broker.close();
    }
  }
}
