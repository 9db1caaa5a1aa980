package io.fisherstreams.demo;

import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;

/** Starts the demo's pools on one embedded broker. */
public final class StreamedPools implements MergedModels.Opener, AutoCloseable {
  private static final int PARTITIONS = 4;

  /** The folder reached 239 MiB during a whole demo. */
  static final long BYTES = 320 << 20;

  private final Path directory;
  private final EmbeddedBroker broker;
  private final KafkaSettings kafka;

  /**
   * Starts the broker.
   *
   * @param directory an empty folder for the broker and the pools; the caller removes it after
   *     {@link #close}
   */
  public StreamedPools(Path directory) {
    this.directory = directory;
    DiskSpace.require(directory, BYTES, "the demo", "the variable TMPDIR");
    broker = EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
  }

  @Override
  public MergedModels open(String pool, DigitParameters base, MergedModels.Method method) {
    PoolTopics topics = new PoolTopics(pool, SchemaRegistry.inMemory());
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
    }
    return new StreamedPool(kafka, topics, directory.resolve("state-" + pool), base, method);
  }

  /** Runs work that needs the broker, and ends it with the cause when the broker fails. */
  public <T> T run(Supplier<T> work) {
    return broker.run(work);
  }

  @Override
  public void close() {
    broker.close();
  }
}
