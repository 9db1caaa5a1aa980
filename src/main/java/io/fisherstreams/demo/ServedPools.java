package io.fisherstreams.demo;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.api.ApiStage;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.LocalCluster;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.monitor.SlowClients;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;

/**
 * Starts the demo's pools on a broker and a registry that other commands can use. The first pool
 * has a page, and runs until this is closed, whenever the scenario closes it.
 */
public final class ServedPools implements MergedModels.Opener, AutoCloseable {
  private static final int PARTITIONS = 4;

  private final Path directory;
  private final Consumer<URI> shown;
  private final LocalCluster cluster;
  private final KafkaSettings kafka;
  private Monitor monitor;
  private StreamedPool first;
  private ApiStage page;

  /**
   * Starts broker and registry.
   *
   * @param directory an empty folder; the caller removes it after {@link #close}
   * @param shown receives the page's address when the first pool has started
   */
  public ServedPools(Path directory, Consumer<URI> shown) {
    this.directory = directory;
    this.shown = shown;
    DiskSpace.require(directory, StreamedPools.BYTES, "the demo", "the variable TMPDIR");
    SlowClients.limitRequests();
    cluster = LocalCluster.start(home(), 0, 0);
    kafka = new KafkaSettings(cluster.bootstrapServers(), Map.of());
  }

  /** The directory for {@code --local} of other commands. */
  public Path home() {
    return directory.resolve("pool");
  }

  @Override
  public MergedModels open(String pool, DigitParameters base, MergedModels.Method method) {
    PoolTopics topics =
        new PoolTopics(pool, SchemaRegistry.connect(cluster.schemaRegistry(), Map.of()));
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
    }
    Path state = directory.resolve("state-" + pool);
    if (first != null) {
      return new StreamedPool(kafka, topics, state, base, method);
    }
    monitor = new Monitor(pool, directory);
    page =
        ApiStage.create(
            kafka,
            topics,
            ApiOptions.standard().withPort(0),
            Map.of(),
            state.resolve("api"),
            monitor);
    monitor.add(Stage.API, page);
    page.start();
    first = new StreamedPool(kafka, topics, state, base, method);
    first.show(monitor);
    cluster.announce(pool, page.url());
    shown.accept(page.url());
    return new Kept(first);
  }

  /** Runs work that needs the broker, and ends it with the cause when the broker fails. */
  public <T> T run(Supplier<T> work) {
    return cluster.run(work);
  }

  /**
   * Waits as long as the broker runs.
   *
   * @throws InvalidInput with the cause when it fails
   */
  public void awaitEnd() {
    try {
      cluster.failure().toCompletableFuture().join();
    } catch (CompletionException e) {
      throw new InvalidInput(e.getCause().getMessage(), e.getCause());
    }
  }

  @Override
  public void close() {
    // Null when the scenario did not get so far.
    StreamedPool pool = first;
    ApiStage stage = page;
    Monitor shown = monitor;
    try (cluster;
        pool;
        stage;
        shown) {
      // closed in reverse order
    }
  }

  /** The first pool as the scenario sees it. */
  private record Kept(StreamedPool pool) implements MergedModels {
    @Override
    public MergedRelease arrive(FineTunedModel model) {
      return pool.arrive(model);
    }

    @Override
    public MergedRelease withdraw(String model) {
      return pool.withdraw(model);
    }

    @Override
    public Map<String, DigitParameters> fishers() {
      return pool.fishers();
    }

    @Override
    public void close() {
      // runs on
    }
  }
}
