package io.fisherstreams.estimation;

import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Rejection;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Which model versions accept examples: the current ones, except those that turned out to be
 * unusable. Pure: each caller passes the time, in nanoseconds of {@link System#nanoTime}.
 */
final class VersionStatus {
  static final Duration RETRY_INCOMPLETE = Duration.ofSeconds(5);

  private final ModelCatalog catalog;
  private final Map<ModelVersion, Rejection> unusable = new HashMap<>();
  private final Map<ModelVersion, Long> retryAt = new HashMap<>();

  VersionStatus(ModelCatalog catalog) {
    this.catalog = catalog;
  }

  /** Why a version is not the current one of its model; empty when it is. */
  Optional<Rejection> overtaken(ModelVersion version) {
    try {
      ModelCatalog.requireCurrent(catalog.latest(version), version);
      return Optional.empty();
    } catch (RejectedRecord e) {
      return Optional.of(e.rejection());
    }
  }

  /** Whether a version is not the current one of its model. */
  boolean isOvertaken(ModelVersion version) {
    return overtaken(version).isPresent();
  }

  /** Why a version's model cannot be used; empty when it can, or was not tried. */
  Optional<Rejection> unusable(ModelVersion version) {
    return Optional.ofNullable(unusable.get(version));
  }

  /** A version's model cannot be loaded, or its sums cannot be sent. */
  void markUnusable(ModelVersion version, Rejection rejection) {
    unusable.put(version, rejection);
  }

  /** A version's checkpoint is not complete yet: it is tried again after five seconds. */
  void markIncomplete(ModelVersion version, long now) {
    retryAt.put(version, now + RETRY_INCOMPLETE.toNanos());
  }

  /** A version's model is loaded. */
  void markLoaded(ModelVersion version) {
    retryAt.remove(version);
  }

  /** Whether a version's model may be loaded now. */
  boolean mayLoad(ModelVersion version, long now) {
    return now - retryAt.getOrDefault(version, now) >= 0;
  }
}
