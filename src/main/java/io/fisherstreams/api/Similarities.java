package io.fisherstreams.api;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.merge.StoredFishers;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.similarity.Similarity;
import io.fisherstreams.similarity.SimilarityText;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Similarities of releases, computed when they are first asked for, one at a time and on one
 * thread: each reads every Fisher of its release. The last ones are remembered.
 */
final class Similarities implements AutoCloseable {
  private static final int MAX_REMEMBERED = 8;

  /** A similarity that is computed or done. */
  private static final class Work {
    private final AtomicLong read = new AtomicLong();
    private volatile long bytes = 1;
    private CompletableFuture<byte[]> result;
  }

  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final Path parent;
  private final ExecutorService executor =
      Executors.newSingleThreadExecutor(task -> ApiServer.daemon(task, "api-similarity"));
  private final Map<Long, Work> works = new LinkedHashMap<>(16, 0.75f, true);

  /** Works in a folder of its own in {@code parent}, which exists. */
  Similarities(KafkaSettings kafka, PoolTopics topics, Path parent) {
    this.kafka = kafka;
    this.topics = topics;
    this.parent = parent;
  }

  /**
   * Answers with a release's similarity, or how far it is.
   *
   * @throws InvalidInput when the pool no longer has its Fishers
   */
  void answer(Request request, Release release, int partitions) throws IOException {
    Work work = work(release, partitions);
    if (!work.result.isDone()) {
      request.set("Retry-After", "2");
      request.json(
          202,
          json -> {
            json.writeNumberField("release", release.getRelease());
            json.writeNumberField("done", Math.min(1.0, (double) work.read.get() / work.bytes));
          });
      return;
    }
    try {
      request.bytes(200, "application/json", work.result.join());
    } catch (CompletionException e) {
      forget(release.getRelease());
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw e;
    }
  }

  private synchronized void forget(long release) {
    works.remove(release);
  }

  private synchronized Work work(Release release, int partitions) {
    Work known = works.get(release.getRelease());
    if (known != null) {
      return known;
    }
    Work work = new Work();
    work.result = CompletableFuture.supplyAsync(() -> compute(work, release, partitions), executor);
    works.put(release.getRelease(), work);
    works.values().stream()
        .filter(other -> other.result.isDone())
        .findFirst()
        .filter(oldest -> works.size() > MAX_REMEMBERED)
        .ifPresent(oldest -> works.values().remove(oldest));
    return work;
  }

  private byte[] compute(Work work, Release release, int partitions) {
    StoredFishers fishers = new StoredFishers(kafka, topics, partitions, release.getPlan());
    work.bytes = Math.max(1, fishers.bytes());
    try (TemporaryDirectory directory = TemporaryDirectory.create(parent)) {
      DiskSpace.require(
          directory.path(), fishers.bytes() / partitions, "the comparison", "state_directory");
      Similarity similarity =
          Similarity.of(
              release.getPlan(),
              fishers.products(directory.path(), 1, bytes -> work.read.addAndGet(bytes)));
      return SimilarityText.json(similarity).getBytes(StandardCharsets.UTF_8);
    }
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }
}
