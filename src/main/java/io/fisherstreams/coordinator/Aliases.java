package io.fisherstreams.coordinator;

import static io.fisherstreams.record.Limits.MAX_LEFT_OUT;
import static io.fisherstreams.record.Limits.MAX_LEFT_OUT_REASON_LENGTH;
import static io.fisherstreams.record.Limits.MAX_REQUEST_LENGTH;
import static io.fisherstreams.record.Limits.MAX_VERDICT_REASON_LENGTH;
import static io.fisherstreams.record.Limits.MAX_VERDICT_TASKS;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.TaskAccuracy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongFunction;

/** The release to which each alias points, and the answers to requests that move an alias. */
final class Aliases {
  /**
   * An answer that moves an alias.
   *
   * @param at when
   * @param by the user who asked; null when unknown
   */
  private record Move(Instant at, String by) {}

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
   * @param whyNotKept why another release is not among them
   * @param at the time of the answer
   * @param by the user who asks, if known
   * @throws RejectedRecord when the request cannot be answered at all
   */
  Alias answer(
      String name,
      AliasRequest request,
      Set<Long> kept,
      LongFunction<String> whyNotKept,
      Instant at,
      Optional<String> by)
      throws RejectedRecord {
    Move move = new Move(at, by.orElse(null));
    try {
      new AliasName(name);
    } catch (InvalidInput e) {
      throw new RejectedRecord(RejectionKind.ALIAS, e.getMessage());
    }
    if (request == null) {
      throw new RejectedRecord(RejectionKind.ALIAS, "an alias request has no tombstones");
    }
    requireLimits(request);
    Alias before = now(name);
    if (before.getRequest().equals(request.getRequest())) {
      return before;
    }
    Alias answer =
        switch (request.getAction()) {
          case SET ->
              kept.contains(request.getRelease())
                  ? set(before, request, 0, move)
                  : rejected(before, request, whyNotKept.apply(request.getRelease()));
          case ROLLBACK -> rollback(before, request, kept, move);
          case REMOVE -> remove(before, request, move);
          case HOLD, UNHOLD -> hold(before, request);
          case JUDGE -> judge(before, request, kept, whyNotKept, move);
          case UNKNOWN ->
              throw new RejectedRecord(
                  RejectionKind.ALIAS, "the alias request asks for an unknown action");
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
      requireAtMost("the verdict has %d suspects", verdict.getSuspects().size(), MAX_LEFT_OUT);
      requireAtMost("the verdict leaves %d models out", verdict.getLeaveOut().size(), MAX_LEFT_OUT);
      for (LeftOutModel model : verdict.getLeaveOut()) {
        requireAtMost(
            "a reason to leave a model out has %d characters",
            model.getReason().length(), MAX_LEFT_OUT_REASON_LENGTH);
      }
      for (TaskAccuracy task : verdict.getTasks()) {
        requireAtMost(
            "a task's name has %d characters", task.getTask().length(), MAX_REQUEST_LENGTH);
      }
    }
  }

  private static void requireAtMost(String what, int found, int max) {
    if (found > max) {
      throw new RejectedRecord(
          RejectionKind.LIMIT, what.formatted(found) + ", at most " + max + " are accepted");
    }
  }

  private static Alias set(Alias before, AliasRequest request, long baseline, Move move) {
    long release = request.getRelease();
    List<Long> earlier = new ArrayList<>(before.getEarlier());
    if (before.getRelease() != 0 && before.getRelease() != release) {
      earlier.add(0, before.getRelease());
    }
    return moved(
        before,
        request,
        release,
        List.copyOf(earlier.subList(0, Math.min(earlier.size(), REMEMBERED))),
        baseline,
        move);
  }

  private static Alias moved(
      Alias before,
      AliasRequest request,
      long release,
      List<Long> earlier,
      long baseline,
      Move move) {
    return new Alias(
        before.getAlias(),
        release,
        earlier,
        baseline,
        move.at,
        request.getRequest(),
        "",
        release != 0 && (before.getHeld() || request.getHold()),
        request.getAction(),
        move.by);
  }

  /** The alias where it is, with its time. */
  private static Alias stays(Alias before, AliasRequest request, boolean held, String rejection) {
    return new Alias(
        before.getAlias(),
        before.getRelease(),
        before.getEarlier(),
        before.getBaseline(),
        before.getAt(),
        request.getRequest(),
        rejection,
        held,
        request.getAction(),
        before.getBy());
  }

  private static Alias hold(Alias before, AliasRequest request) {
    return before.getRelease() == 0
        ? rejected(before, request, "there is no alias " + before.getAlias())
        : stays(before, request, request.getAction() == AliasAction.HOLD, "");
  }

  private static Alias judge(
      Alias before,
      AliasRequest request,
      Set<Long> kept,
      LongFunction<String> whyNotKept,
      Move move)
      throws RejectedRecord {
    GateVerdict verdict = request.getVerdict();
    long release = request.getRelease();
    if (verdict == null) {
      throw new RejectedRecord(RejectionKind.ALIAS, "a request to judge a release has no verdict");
    }
    if (isOvertaken(before, request)) {
      return rejected(
          before,
          request,
          "alias " + before.getAlias() + " was moved while release " + release + " was judged");
    }
    if (!kept.contains(release)) {
      return rejected(before, request, whyNotKept.apply(release));
    }
    if (!verdict.getPassed()) {
      return rejected(
          before, request, "release " + release + " is rejected: " + verdict.getReason());
    }
    if (before.getHeld()) {
      return rejected(before, request, "release " + release + " passed, but " + heldAt(before));
    }
    return set(before, request, baseline(verdict), move);
  }

  private static String heldAt(Alias alias) {
    return "alias " + alias.getAlias() + " is held at release " + alias.getRelease();
  }

  /**
   * A verdict as its release's record has it: it says so when the release passed and does not get
   * the alias, because that is held.
   */
  GateVerdict recorded(String name, GateVerdict verdict) {
    Alias alias = now(name);
    if (!verdict.getPassed() || !alias.getHeld()) {
      return verdict;
    }
    return new GateVerdict(
        true,
        verdict.getReason() + "; " + heldAt(alias),
        verdict.getAccuracy(),
        verdict.getReferenceRelease(),
        verdict.getReferenceAccuracy(),
        verdict.getLargestDrop(),
        verdict.getTasks(),
        true,
        verdict.getSuspects(),
        verdict.getLeaveOut());
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

  private static Alias remove(Alias before, AliasRequest request, Move move) {
    return before.getRelease() == 0
        ? rejected(before, request, "there is no alias " + before.getAlias())
        : moved(before, request, 0, List.of(), 0, move);
  }

  private static Alias rollback(Alias before, AliasRequest request, Set<Long> kept, Move move) {
    List<Long> earlier = before.getEarlier();
    Optional<Long> target = newestKept(before, kept);
    if (target.isEmpty()) {
      return rejected(
          before,
          request,
          "alias " + before.getAlias() + " has no earlier release whose tensors are kept");
    }
    return moved(
        before,
        request,
        target.get(),
        List.copyOf(earlier.subList(earlier.indexOf(target.get()) + 1, earlier.size())),
        0,
        move);
  }

  private static Optional<Long> newestKept(Alias alias, Set<Long> kept) {
    return alias.getEarlier().stream().filter(kept::contains).findFirst();
  }

  private static Alias rejected(Alias before, AliasRequest request, String reason) {
    return stays(before, request, before.getHeld(), reason);
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
