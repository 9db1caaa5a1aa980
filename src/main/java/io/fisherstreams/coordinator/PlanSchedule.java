package io.fisherstreams.coordinator;

/**
 * Decides when a change of the pool becomes a plan: once the pool has been quiet, after the longest
 * wait at the latest, and not while a busy pool's plan is left to finish. Pure: each caller passes
 * the time, in milliseconds since any fixed moment.
 */
final class PlanSchedule {
  private static final long NONE = Long.MAX_VALUE;

  private final PlanPolicy policy;
  private long firstChange = NONE;
  private long lastChange;

  PlanSchedule(PlanPolicy policy) {
    this.policy = policy;
  }

  /** The pool has changed, and differs from what the newest plan merges. */
  void changed(long now) {
    firstChange = Math.min(firstChange, now);
    lastChange = now;
  }

  /** The pool is what the newest plan merges, or a plan is made now: nothing waits any more. */
  void settled() {
    firstChange = NONE;
  }

  /** Whether no change waits for a plan. */
  boolean isSettled() {
    return firstChange == NONE;
  }

  /** Whether a change has waited long enough for its plan. */
  boolean isDue(long now) {
    return firstChange != NONE
        && (now - lastChange >= policy.quiet().toMillis()
            || now - firstChange >= policy.longest().toMillis());
  }

  /**
   * Whether the plan under way finishes before the next is made. So a pool that changes all the
   * time still gets releases.
   *
   * @param abandoned plans abandoned in a row before the one under way
   */
  static boolean letsFinish(int abandoned) {
    return abandoned >= PlanPolicy.MAX_ABANDONED;
  }
}
