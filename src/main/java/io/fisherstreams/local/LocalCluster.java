package io.fisherstreams.local;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.PoolTopics;
import java.net.URI;
import java.nio.file.Path;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Embedded broker and schema registry on a directory that survives restarts: the cluster of {@code
 * serve}. The ports stay the same from start to start while nobody else uses them.
 */
public final class LocalCluster implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LocalCluster.class);

  private final EmbeddedBroker broker;
  private final EmbeddedRegistry registry;
  private final Path directory;
  private final int lastApiPort;
  private volatile ServeFile announced;

  private LocalCluster(
      EmbeddedBroker broker, EmbeddedRegistry registry, Path directory, int lastApiPort) {
    this.broker = broker;
    this.registry = registry;
    this.directory = directory;
    this.lastApiPort = lastApiPort;
  }

  /**
   * Starts both.
   *
   * @param directory holds topics and schemas; created when missing
   * @param brokerPort loopback port of the broker, 0 for the one of the last time or a free one
   * @param registryPort the same for the registry
   * @throws InvalidInput when another process serves the directory or a port is taken
   */
  public static LocalCluster start(Path directory, int brokerPort, int registryPort) {
    ServeDirectory.prepare(directory);
    ServeFile last = ServeFile.last(directory).orElse(null);
    EmbeddedBroker broker =
        EmbeddedBroker.start(
            directory,
            () -> port("broker", brokerPort, last == null ? 0 : last.brokerPort()),
            PoolTopics.MAX_DEAD_LETTER_BYTES);
    try {
      ServeFile.retire(directory);
      EmbeddedRegistry registry =
          EmbeddedRegistry.start(
              directory.resolve("registry"),
              port(
                  "schema registry",
                  registryPort,
                  last == null ? 0 : last.schemaRegistry().getPort()));
      int lastApiPort = last == null ? 0 : port("API", 0, last.api().getPort());
      return new LocalCluster(broker, registry, directory, lastApiPort);
    } catch (RuntimeException e) {
      broker.close();
      throw e;
    }
  }

  private static int port(String owner, int wanted, int last) {
    if (wanted != 0 || last == 0) {
      return wanted;
    }
    if (EmbeddedBroker.isFree(last)) {
      return last;
    }
    LOG.warn("port {} of the last time is taken: the {} gets another one", last, owner);
    return 0;
  }

  /** {@code host:port} of the broker. */
  public String bootstrapServers() {
    return broker.bootstrapServers();
  }

  /** URL of the registry. */
  public String schemaRegistry() {
    return registry.url();
  }

  /** The API's port of the last time if nobody uses it, else 0. */
  public int lastApiPort() {
    return lastApiPort;
  }

  /** Runs work that needs the broker, and ends it with the cause when the broker fails. */
  public <T> T run(Supplier<T> work) {
    return broker.run(work);
  }

  /** Completes exceptionally when the broker fails. */
  public CompletionStage<Void> failure() {
    return broker.failure();
  }

  /**
   * Tells other commands, with {@code serve.json}, that a pool is ready.
   *
   * @param api where its API listens
   */
  public void announce(String pool, URI api) {
    ServeFile file =
        new ServeFile(
            pool,
            bootstrapServers(),
            URI.create(schemaRegistry()),
            api,
            ProcessHandle.current().pid());
    file.write(directory);
    announced = file;
  }

  /** Stops both; the directory keeps everything. A second call does nothing. */
  @Override
  public void close() {
    try {
      if (announced != null) {
        announced.end(directory);
      }
    } finally {
      try {
        registry.close();
      } finally {
        broker.close();
      }
    }
  }
}
