package io.fisherstreams.coordinator;

import static io.fisherstreams.record.Limits.MAX_REQUEST_LENGTH;
import static io.fisherstreams.record.Limits.MAX_VERDICT_REASON_LENGTH;
import static io.fisherstreams.record.Limits.MAX_VERDICT_TASKS;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.TaskAccuracy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** The release to which each alias points, and the answers to requests that move an alias. */
final class Aliases {
  /** Earlier releases that an alias remembers. */
  static final int REMEMBERED = 10;

  private final Map<String, Alias> aliases = new TreeMap<>();

  /** Restores an alias from the newest answer. */
  void put(Alias alias) {
    aliases.put(alias.getAlias(), alias);
  }

  /**
   * Grants or rejects a request. The answer to a rejected request leaves the alias where it is and
   * has the reason in its field {@code refusal}.
   *
   * @param kept complete releases whose tensors are kept, without those that a gate rejected
   * @throws RejectedRecord when the request cannot be answered at all
   */
  Alias answer(String name, AliasRequest request, Set<Long> kept, Instant at)
      throws RejectedRecord {
    try {
      new AliasName(name);
    } catch (InvalidInput e) {
      throw new RejectedRecord(e.getMessage());
    }
    if (request == null) {
      throw new RejectedRecord("an alias request has no tombstones");
    }
    requireLimits(request);
    Alias before = now(name);
    if (before.getRequest().equals(request.getRequest())) {
      return before;
    }
    Alias answer =
        switch (request.getAction()) {
          case SET -> set(before, request, kept, 0, at);
          case ROLLBACK -> rollback(before, request, kept, at);
          case REMOVE -> remove(before, request, at);
          case JUDGE -> judge(before, request, kept, at);
          case UNKNOWN -> throw new RejectedRecord("the alias request asks for an unknown action");
        };
    aliases.put(name, answer);
    return answer;
  }

  /** The answer repeats the request's id and the verdict's reason, and must fit a record too. */
  private static void requireLimits(AliasRequest request) {
    requireAtMost("request has %d characters", request.getRequest().length(), MAX_REQUEST_LENGTH);
    GateVerdict verdict = request.getVerdict();
    if (verdict != null) {
      requireAtMost(
          "the verdict's reason has %d characters",
          verdict.getReason().length(), MAX_VERDICT_REASON_LENGTH);
      requireAtMost("the verdict has %d tasks", verdict.getTasks().size(), MAX_VERDICT_TASKS);
      for (TaskAccuracy task : verdict.getTasks()) {
        requireAtMost(
            "a task's name has %d characters", task.getTask().length(), MAX_REQUEST_LENGTH);
      }
    }
  }

  private static void requireAtMost(String what, int found, int max) {
    if (found > max) {
      throw new RejectedRecord(what.formatted(found) + ", at most " + max + " are accepted");
    }
  }

  private static Alias set(
      Alias before, AliasRequest request, Set<Long> kept, long baseline, Instant at) {
    long release = request.getRelease();
    if (!kept.contains(release)) {
      return rejected(
          before,
          request,
          at,
          "release " + release + " is not among the complete releases whose tensors are kept");
    }
    List<Long> earlier = new ArrayList<>(before.getEarlier());
    if (before.getRelease() != 0 && before.getRelease() != release) {
      earlier.add(0, before.getRelease());
    }
    return new Alias(
        before.getAlias(),
        release,
        earlier.subList(0, Math.min(earlier.size(), REMEMBERED)),
        baseline,
        at,
        request.getRequest(),
        "");
  }

  private static Alias judge(Alias before, AliasRequest request, Set<Long> kept, Instant at)
      throws RejectedRecord {
    GateVerdict verdict = request.getVerdict();
    if (verdict == null) {
      throw new RejectedRecord("a request to judge a release has no verdict");
    }
    if (isOvertaken(before, request)) {
      return rejected(
          before,
          request,
          at,
          "alias "
              + before.getAlias()
              + " was moved while release "
              + request.getRelease()
              + " was judged");
    }
    return verdict.getPassed() || !kept.contains(request.getRelease())
        ? set(before, request, kept, baseline(verdict), at)
        : rejected(
            before,
            request,
            at,
            "release " + request.getRelease() + " is rejected: " + verdict.getReason());
  }

  private Alias now(String name) {
    return aliases.getOrDefault(name, AliasName.unset(name));
  }

  /** Whether a request has a verdict, and the alias has not moved since the gate began to judge. */
  boolean judges(String name, AliasRequest request) {
    return request != null
        && request.getAction() == AliasAction.JUDGE
        && !isOvertaken(now(name), request);
  }

  private static boolean isOvertaken(Alias alias, AliasRequest request) {
    return alias.getRelease() != request.getExpectedRelease()
        || alias.getBaseline() != request.getExpectedBaseline();
  }

  /**
   * The release with which the next one is compared after one that passed; 0 for the one that
   * passed. If that one is worse than its reference, the reference stays. Otherwise accuracy could
   * fall by the limit again and again.
   */
  private static long baseline(GateVerdict verdict) {
    Double reference = verdict.getReferenceAccuracy();
    return reference != null && verdict.getAccuracy() < reference
        ? verdict.getReferenceRelease()
        : 0;
  }

  private static Alias remove(Alias before, AliasRequest request, Instant at) {
    return before.getRelease() == 0
        ? rejected(before, request, at, "there is no alias " + before.getAlias())
        : new Alias(before.getAlias(), 0L, List.of(), 0L, at, request.getRequest(), "");
  }

  private static Alias rollback(Alias before, AliasRequest request, Set<Long> kept, Instant at) {
    List<Long> earlier = before.getEarlier();
    Optional<Long> target = newestKept(before, kept);
    if (target.isEmpty()) {
      return rejected(
          before,
          request,
          at,
          "alias " + before.getAlias() + " has no earlier release whose tensors are kept");
    }
    return new Alias(
        before.getAlias(),
        target.get(),
        earlier.subList(earlier.indexOf(target.get()) + 1, earlier.size()),
        0L,
        at,
        request.getRequest(),
        "");
  }

  private static Optional<Long> newestKept(Alias alias, Set<Long> kept) {
    return alias.getEarlier().stream().filter(kept::contains).findFirst();
  }

  private static Alias rejected(Alias before, AliasRequest request, Instant at, String reason) {
    return new Alias(
        before.getAlias(),
        before.getRelease(),
        before.getEarlier(),
        before.getBaseline(),
        at,
        request.getRequest(),
        reason);
  }

  /**
   * Releases that retention must keep: those to which an alias points, or would roll back.
   *
   * @param kept as for {@link #answer}
   */
  Set<Long> held(Set<Long> kept) {
    Set<Long> held = new HashSet<>();
    for (Alias alias : aliases.values()) {
      held.add(alias.getRelease());
      newestKept(alias, kept).ifPresent(held::add);
    }
    return held;
  }
}
