package io.fisherstreams.coordinator;

import io.fisherstreams.record.Alias;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;

/**
 * A pool as its topics describe it at one moment.
 *
 * @param status models and releases; it has no lags and no instances
 * @param announced when the newest manifest of each version was written
 * @param counted examples that the gradient stage has counted, by version
 * @param aliases those that point to a release, by name
 * @param deadLetters the newest ones without their values, oldest first
 * @param deadLetterCount those among the topic's last 1,000 offsets when reading began, and all
 *     later ones
 * @param hasEarlierDeadLetters whether there were others before those
 */
public record PoolReading(
    PoolStatus status,
    Map<ModelVersion, Instant> announced,
    Map<ModelVersion, Long> counted,
    SortedMap<String, Alias> aliases,
    List<DeadLetter> deadLetters,
    long deadLetterCount,
    boolean hasEarlierDeadLetters) {
  /** How many dead letters there are, and the newest, in one line for people. */
  public String deadLetterText() {
    if (deadLetters.isEmpty()) {
      return "dead letters: 0";
    }
    DeadLetter newest = deadLetters.get(deadLetters.size() - 1);
    return String.format(
        Locale.ROOT,
        "dead letters: %d%s; the newest is at offset %d: %s: %s",
        deadLetterCount,
        hasEarlierDeadLetters ? " or more" : "",
        newest.offset(),
        newest.place(),
        newest.reason());
  }

  /** The newest complete release. */
  public Optional<Release> newestRelease() {
    List<Release> releases = status.releases();
    for (int i = releases.size() - 1; i >= 0; i--) {
      if (releases.get(i).getStatus() == ReleaseStatus.COMPLETE) {
        return Optional.of(releases.get(i));
      }
    }
    return Optional.empty();
  }
}
