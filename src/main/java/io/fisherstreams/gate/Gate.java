package io.fisherstreams.gate;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gate.Verdicts.Reference;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.TaskAccuracy;
import io.micrometer.core.instrument.Counter;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares each complete release, on the same examples, with the best release that passed since a
 * user moved the alias. Sends its verdict to the coordinator, which moves the alias or rejects the
 * release.
 */
final class Gate {
  private static final Logger LOG = LoggerFactory.getLogger(Gate.class);

  /** The pool as the gate needs it. */
  interface Pool {
    /** All releases as they are now, by id. */
    Map<Long, Release> releases();

    /** The gated alias; its release is 0 when it points to none. */
    Alias alias();

    /**
     * The accuracy of a release on each task.
     *
     * @return empty when its tensors cannot be read any more
     * @throws InvalidInput when it cannot be run, or not on these examples
     */
    Optional<List<TaskAccuracy>> measure(Release release);

    /**
     * Sends a verdict to the coordinator and returns its answer.
     *
     * @param seen the alias as it was when the release was compared
     */
    Alias judge(long release, GateVerdict verdict, Alias seen);
  }

  private final Counter passes = Meter.GATE_VERDICTS.counter("true");
  private final Counter falls = Meter.GATE_VERDICTS.counter("false");
  private final double largestDrop;
  private final boolean leavesSuspectsOut;
  private final Pool pool;
  private final Map<Long, List<TaskAccuracy>> measured = new HashMap<>();

  /**
   * A gate that has measured nothing yet.
   *
   * @param leavesSuspectsOut whether the models that made a release fall are looked for and left
   *     out
   */
  Gate(double largestDrop, boolean leavesSuspectsOut, Pool pool) {
    this.largestDrop = largestDrop;
    this.leavesSuspectsOut = leavesSuspectsOut;
    this.pool = pool;
  }

  /**
   * Judges a release unless it has a verdict or a newer one has the alias. Judges it again when a
   * user has moved the alias meanwhile, because the comparison was with the wrong release.
   */
  void judge(long id) {
    while (isOvertaken(id)) {
      LOG.info("the alias was moved while release {} was judged: judging it again", id);
    }
  }

  private boolean isOvertaken(long id) {
    Map<Long, Release> releases = pool.releases();
    Release release = releases.get(id);
    Alias alias = pool.alias();
    boolean isOpen = release.getStatus() == ReleaseStatus.COMPLETE && release.getVerdict() == null;
    if (!isOpen || alias.getRelease() >= id) {
      return false;
    }
    Optional<GateVerdict> verdict =
        verdict(release, references(alias, releases))
            .map(found -> blame(found, release, releases.get(alias.getRelease())));
    if (verdict.isEmpty()) {
      LOG.warn("release {} is not judged: its tensors are no longer kept", id);
      return false;
    }
    LOG.info("release {}: {}", id, verdict.get().getReason());
    Alias answer = pool.judge(id, verdict.get(), alias);
    LOG.info(
        "alias {} is {}release {}",
        answer.getAlias(),
        answer.getHeld() ? "held at " : "",
        answer.getRelease());
    (verdict.get().getPassed() ? passes : falls).increment();
    boolean isOvertaken = !answer.getRefusal().isEmpty() && !isSamePlace(answer, alias);
    if (!isOvertaken) {
      measured.keySet().retainAll(List.of(answer.getRelease(), answer.getBaseline()));
    }
    return isOvertaken;
  }

  /** Adds the models that changed since the alias's release to a verdict on one that fell. */
  private GateVerdict blame(GateVerdict verdict, Release release, Release before) {
    if (verdict.getPassed() || before == null) {
      return verdict;
    }
    Suspects suspects = Suspects.of(before.getPlan(), release.getPlan());
    verdict.setSuspects(suspects.names());
    if (leavesSuspectsOut) {
      verdict.setLeaveOut(suspects.next(release.getRelease(), verdict.getReason()));
    }
    verdict.setReason(verdict.getReason() + suspects.text(verdict.getLeaveOut()));
    return verdict;
  }

  private static boolean isSamePlace(Alias answer, Alias seen) {
    return answer.getRelease() == seen.getRelease() && answer.getBaseline() == seen.getBaseline();
  }

  /** The releases to compare with: the alias's release, and its baseline if it has one. */
  private static List<Release> references(Alias alias, Map<Long, Release> releases) {
    return Stream.of(alias.getRelease(), alias.getBaseline())
        .filter(reference -> reference != 0)
        .map(releases::get)
        .toList();
  }

  /** Empty when the release cannot be read. */
  private Optional<GateVerdict> verdict(Release release, List<Release> references) {
    // References first: if they do not run on these examples either, the release is not at fault.
    Optional<Reference> best =
        references.stream()
            .flatMap(reference -> reference(reference, references).stream())
            .max(Comparator.comparingDouble(Reference::accuracy));
    if (best.isEmpty()) {
      return measure(release).map(tasks -> Verdicts.first(tasks, largestDrop));
    }
    try {
      return measure(release).map(tasks -> Verdicts.compared(tasks, best.get(), largestDrop));
    } catch (InvalidInput e) {
      return Optional.of(Verdicts.unusable(e.getMessage(), best.get(), largestDrop));
    }
  }

  /** Measured now; from an earlier verdict when its tensors cannot be read any more. */
  private Optional<Reference> reference(Release reference, List<Release> references) {
    Optional<Double> accuracy = measure(reference).map(Verdicts::mean);
    return accuracy
        .or(() -> recorded(reference, references))
        .map(found -> new Reference(reference.getRelease(), found));
  }

  /** From the verdict of a release that was compared with it, which is newer, else from its own. */
  private static Optional<Double> recorded(Release reference, List<Release> references) {
    Stream<Double> others =
        references.stream()
            .map(Release::getVerdict)
            .filter(Objects::nonNull)
            .filter(verdict -> verdict.getReferenceRelease() == reference.getRelease())
            .map(GateVerdict::getReferenceAccuracy);
    Stream<Double> own = Stream.ofNullable(reference.getVerdict()).map(GateVerdict::getAccuracy);
    return Stream.concat(others, own).filter(Objects::nonNull).findFirst();
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
