package io.fisherstreams.gate;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.TaskAccuracy;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares each complete release with the one that an alias points to, on the same examples, and
 * hands its verdict to the coordinator, who moves the alias or rejects the release.
 */
final class Gate {
  private static final Logger LOG = LoggerFactory.getLogger(Gate.class);

  /** The pool as the gate needs it. */
  interface Pool {
    /** All releases as they are now, by id. */
    Map<Long, Release> releases();

    /** The gated alias, if it points to a release. */
    Optional<Alias> alias();

    /**
     * The accuracy of a release on each task.
     *
     * @return empty when its tensors cannot be read any more
     * @throws InvalidInput when it cannot be run, or not on these examples
     */
    Optional<List<TaskAccuracy>> measure(Release release);

    /** Hands a verdict to the coordinator and returns its answer. */
    Alias judge(long release, GateVerdict verdict);
  }

  private final double largestDrop;
  private final Pool pool;
  private final Map<Long, List<TaskAccuracy>> measured = new HashMap<>();

  Gate(double largestDrop, Pool pool) {
    this.largestDrop = largestDrop;
    this.pool = pool;
  }

  /** Judges a release unless that is done, or no longer of use. */
  void judge(long id) {
    Map<Long, Release> releases = pool.releases();
    Release release = releases.get(id);
    Optional<Release> reference = pool.alias().map(alias -> releases.get(alias.getRelease()));
    boolean isOpen = release.getStatus() == ReleaseStatus.COMPLETE && release.getVerdict() == null;
    if (!isOpen || reference.map(r -> r.getRelease() >= id).orElse(false)) {
      return;
    }
    Optional<GateVerdict> verdict = verdict(release, reference);
    if (verdict.isEmpty()) {
      LOG.warn("release {} is not judged: its tensors are no longer kept", id);
      return;
    }
    LOG.info("release {}: {}", id, verdict.get().getReason());
    Alias answer = pool.judge(id, verdict.get());
    LOG.info("alias {} is release {}", answer.getAlias(), answer.getRelease());
    measured.keySet().removeIf(known -> known != answer.getRelease());
  }

  /** Empty when the release cannot be read. */
  private Optional<GateVerdict> verdict(Release release, Optional<Release> reference) {
    // first the reference: what does not run on these examples either is no fault of the release
    OptionalDouble before =
        reference.isEmpty() ? OptionalDouble.empty() : referenceAccuracy(reference.get());
    if (before.isEmpty()) {
      return measure(release).map(tasks -> Verdicts.first(tasks, largestDrop));
    }
    long compared = reference.orElseThrow().getRelease();
    try {
      return measure(release)
          .map(tasks -> Verdicts.compared(tasks, compared, before.getAsDouble(), largestDrop));
    } catch (InvalidInput e) {
      return Optional.of(
          Verdicts.unusable(e.getMessage(), compared, before.getAsDouble(), largestDrop));
    }
  }

  /** Measured now, or what was found of it when its own tensors cannot be read any more. */
  private OptionalDouble referenceAccuracy(Release reference) {
    Optional<List<TaskAccuracy>> tasks = measure(reference);
    if (tasks.isPresent()) {
      return OptionalDouble.of(Verdicts.mean(tasks.get()));
    }
    GateVerdict verdict = reference.getVerdict();
    return verdict == null ? OptionalDouble.empty() : OptionalDouble.of(verdict.getAccuracy());
  }

  private Optional<List<TaskAccuracy>> measure(Release release) {
    List<TaskAccuracy> known = measured.get(release.getRelease());
    if (known != null) {
      return Optional.of(known);
    }
    Optional<List<TaskAccuracy>> tasks = pool.measure(release);
    tasks.ifPresent(found -> measured.put(release.getRelease(), found));
    return tasks;
  }
}
