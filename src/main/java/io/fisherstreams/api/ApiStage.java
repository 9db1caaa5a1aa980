package io.fisherstreams.api;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.coordinator.PoolFollower;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.monitor.PoolMeters;
import io.fisherstreams.record.PoolTopics;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Shows a pool over HTTP: the routes of {@code openapi.yaml} and the page. It reads the pool's
 * topics without a consumer group and holds no model in memory; any number of instances can run.
 */
public final class ApiStage implements StageInstance {
  private static final Logger LOG = LoggerFactory.getLogger(ApiStage.class);

  // A scrape has ten seconds by Prometheus' default.
  private static final Duration METERS_WITHIN = Duration.ofSeconds(3);

  private final PoolFollower follower;
  private final LivePage page;
  private final ApiServer server;
  private final List<Route> routes;
  private final Deque<AutoCloseable> resources;

  private ApiStage(
      KafkaSettings kafka,
      PoolTopics topics,
      ApiOptions options,
      Map<String, String> groups,
      Path directory,
      Monitor monitor,
      Deque<AutoCloseable> resources) {
    this.resources = resources;
    ReleaseFiles files = owned(new ReleaseFiles(kafka, topics, directory));
    page = new LivePage(kafka, topics, groups, options.streams());
    follower = owned(new PoolFollower(kafka, topics, page));
    Similarities similarities = owned(new Similarities(kafka, topics, directory));
    server = owned(new ApiServer(options, monitor));
    owned(page);
    monitor.add(new PoolMeters(follower, () -> page.traffic(METERS_WITHIN)));
    Downloads downloads = new Downloads(files, options.downloads());
    routes =
        new PoolRoutes(kafka, topics, follower, page, files, downloads, similarities, monitor)
            .all();
  }

  private <T extends AutoCloseable> T owned(T resource) {
    resources.push(resource);
    return resource;
  }

  /**
   * An instance that has its port and is not started.
   *
   * @param groups consumer groups of gate and webhooks, by stage; their lag is shown too
   * @param directory for the releases that clients download, and for comparisons
   * @param monitor of this process, which it shows too and to which it adds the pool's meters
   * @throws InvalidInput when it cannot listen, or its token cannot be read
   */
  public static ApiStage create(
      KafkaSettings kafka,
      PoolTopics topics,
      ApiOptions options,
      Map<String, String> groups,
      Path directory,
      Monitor monitor) {
    options.token(); // a wrong one shows at the start, not at the first change
    Deque<AutoCloseable> resources = new ArrayDeque<>();
    try {
      return new ApiStage(kafka, topics, options, groups, directory, monitor, resources);
    } catch (RuntimeException | Error e) {
      close(resources);
      throw e;
    }
  }

  /** Where it listens. */
  public URI url() {
    return server.url();
  }

  @Override
  public void start() {
    page.start(follower);
    follower.start();
    server.start(routes);
  }

  @Override
  public CompletableFuture<Void> ready() {
    return follower.ready();
  }

  @Override
  public CompletableFuture<Optional<Throwable>> ended() {
    return follower.ended();
  }

  @Override
  public synchronized void close() {
    close(resources);
  }

  /** Closes the newest first. */
  private static void close(Deque<AutoCloseable> resources) {
    while (!resources.isEmpty()) {
      AutoCloseable resource = resources.pop();
      try {
        resource.close();
      } catch (Exception e) {
        LOG.warn("cannot close {}", resource, e);
      }
    }
  }
}
