package io.fisherstreams.api;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.view.PoolTraffic;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;

/**
 * Looks at a pool's traffic that are shared: one runs at a time, on a thread of its own, and its
 * result serves everybody for two seconds. So brokers that do not answer hold no thread of a server
 * for longer than the server wants to wait. Thread-safe.
 */
final class RecentTraffic implements AutoCloseable {
  /** How long a look serves. */
  static final Duration FRESH = Duration.ofSeconds(2);

  private final Admin admin;
  private final PoolTopics topics;
  private final Map<String, String> groups;
  private final IntSupplier partitions;
  private final ExecutorService executor =
      Executors.newSingleThreadExecutor(task -> ApiServer.daemon(task, "api-traffic"));
  private CompletableFuture<PoolTraffic> newest = CompletableFuture.completedFuture(null);

  /**
   * Looks at a pool.
   *
   * @param groups consumer groups of gate and webhooks, by stage
   * @param partitions of the sharded topics
   */
  RecentTraffic(
      KafkaSettings kafka, PoolTopics topics, Map<String, String> groups, IntSupplier partitions) {
    this.admin = kafka.admin();
    this.topics = topics;
    this.groups = Map.copyOf(groups);
    this.partitions = partitions;
  }

  /**
   * A look that is at most two seconds old.
   *
   * @throws KafkaException when it fails, or is not there in time
   */
  PoolTraffic get(Duration within) {
    try {
      return request().get(within.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof KafkaException cause
          ? cause
          : new KafkaException(e.getCause().getMessage(), e.getCause());
    } catch (java.util.concurrent.TimeoutException e) {
      throw new TimeoutException(
          String.format(Locale.ROOT, "no answer within %d s", within.toSeconds()), e);
    } catch (InterruptedException e) {
      throw new InterruptException(e);
    }
  }

  private synchronized CompletableFuture<PoolTraffic> request() {
    PoolTraffic before = newest.isCompletedExceptionally() ? null : newest.getNow(null);
    boolean isFresh = before != null && System.nanoTime() - before.at() < FRESH.toNanos();
    if (newest.isDone() && !isFresh) {
      newest =
          CompletableFuture.supplyAsync(
              () -> PoolTraffic.look(admin, topics, partitions.getAsInt(), groups, before),
              executor);
    }
    return newest;
  }

  @Override
  public void close() {
    executor.shutdownNow();
    admin.close(Duration.ZERO);
  }
}
