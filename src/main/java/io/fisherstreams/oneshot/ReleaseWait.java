package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseFeed;
import java.time.Duration;
import java.util.Optional;

/** Waits for the one release of a one-shot merge. */
final class ReleaseWait {
  private static final Duration POLL = Duration.ofMillis(20);
  private static final Duration CHECK_INTERVAL = Duration.ofSeconds(2);

  private final PoolRunner runner;
  private final DeadLetterWatch watch;

  ReleaseWait(PoolRunner runner, DeadLetterWatch watch) {
    this.runner = runner;
    this.watch = watch;
  }

  /**
   * Returns the release once it is complete.
   *
   * @param estimated whether some Fishers were estimated during this merge, so that the coordinator
   *     is the first to check them and may reject a model
   * @throws InvalidInput when a stage rejected a record or the coordinator a model, or the merged
   *     model is not finite
   */
  Release await(boolean estimated) {
    try (ReleaseFeed feed = new ReleaseFeed(runner.kafka(), runner.topics())) {
      long checked = System.nanoTime();
      while (true) {
        Optional<Release> ended =
            feed.poll(POLL).values().stream()
                .filter(release -> release.getStatus() != ReleaseStatus.ABANDONED)
                .findFirst();
        if (ended.isPresent()) {
          return requireComplete(ended.get());
        }
        watch.requireNone(Duration.ZERO);
        runner.requireRunning();
        if (estimated && System.nanoTime() - checked >= CHECK_INTERVAL.toNanos()) {
          requireNoRejectedModel();
          checked = System.nanoTime();
        }
      }
    }
  }

  private static Release requireComplete(Release release) {
    if (release.getStatus() == ReleaseStatus.REJECTED) {
      throw new InvalidInput("the merged model is not finite: " + release.getReason());
    }
    return release;
  }

  private void requireNoRejectedModel() {
    PoolViewReader.read(runner.kafka(), runner.topics())
        .rejections()
        .forEach(
            (model, reason) -> {
              throw new InvalidInput("model '%s': %s".formatted(model, reason));
            });
  }
}
