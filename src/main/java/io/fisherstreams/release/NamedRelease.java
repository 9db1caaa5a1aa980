package io.fisherstreams.release;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import java.util.List;
import java.util.Locale;

/** Finds a release by id or alias, or the newest one. */
public final class NamedRelease {
  private NamedRelease() {}

  /**
   * Finds a release.
   *
   * @param name id or alias; null for the newest complete release
   * @throws InvalidInput when there is no such release
   */
  public static Release find(
      String name, ReleaseReader reader, KafkaSettings kafka, PoolTopics topics) {
    List<Release> releases = reader.all();
    if (name == null) {
      return releases.stream()
          .filter(release -> release.getStatus() == ReleaseStatus.COMPLETE)
          .reduce((first, second) -> second)
          .orElseThrow(() -> new InvalidInput("the pool has no complete release yet"));
    }
    long id = new ReleaseAliases(kafka, topics).resolve(name);
    return releases.stream()
        .filter(release -> release.getRelease() == id)
        .findFirst()
        .orElseThrow(() -> new InvalidInput("there is no release " + id));
  }

  /**
   * Finds a release that an alias may point to.
   *
   * @param name id or alias
   * @throws InvalidInput when there is no such release, or it was abandoned or rejected
   */
  public static Release findUsable(
      String name, ReleaseReader reader, KafkaSettings kafka, PoolTopics topics) {
    Release release = find(name, reader, kafka, topics);
    if (release.getStatus() != ReleaseStatus.COMPLETE) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "release %d was %s: %s",
              release.getRelease(),
              release.getStatus().name().toLowerCase(Locale.ROOT),
              release.getReason()));
    }
    return release;
  }
}
