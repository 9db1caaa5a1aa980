package io.fisherstreams.coordinator;

import java.time.Duration;
import java.util.Set;

/**
 * When a change of the pool becomes a plan, and how many releases keep their tensors.
 *
 * @param quiet how long the pool must stay unchanged, so that a burst of arrivals makes one plan
 * @param longest how long the first change of a burst waits at most
 * @param keep how many complete releases keep their tensors, at least
 * @param keepFor how long a complete release keeps its tensors, at least
 * @param await models without which no plan is made; empty for a pool that is merged as it grows. A
 *     caller that sets it has checked the Fishers, so warnings are not logged
 * @param shares which models wait because their part in the merge would be too large
 */
public record PlanPolicy(
    Duration quiet,
    Duration longest,
    int keep,
    Duration keepFor,
    Set<String> await,
    ShareLimits shares) {
  /** By default, so many complete releases keep their tensors. */
  public static final int KEEP = 10;

  /**
   * After so many abandoned plans in a row the next plan finishes, so that a busy pool still gets
   * releases.
   */
  static final int MAX_ABANDONED = 3;

  public PlanPolicy {
    await = Set.copyOf(await);
    if (keep < 1) {
      throw new IllegalArgumentException("keep is " + keep + ", expected at least 1");
    }
    if (keepFor.isNegative()) {
      throw new IllegalArgumentException("keepFor is " + keepFor + ", expected at least 0");
    }
    if (quiet.isNegative() || longest.compareTo(quiet) < 0) {
      throw new IllegalArgumentException(
          "quiet is " + quiet + " and longest " + longest + ", expected 0 <= quiet <= longest");
    }
  }

  /** A policy without limits on shares. */
  public PlanPolicy(
      Duration quiet, Duration longest, int keep, Duration keepFor, Set<String> await) {
    this(quiet, longest, keep, keepFor, await, ShareLimits.NONE);
  }

  /** The same policy with other limits on shares. */
  public PlanPolicy with(ShareLimits limits) {
    return new PlanPolicy(quiet, longest, keep, keepFor, await, limits);
  }

  /**
   * No waiting, for a pool whose user waits: a plan at every change once these models are ready.
   */
  public static PlanPolicy atOnce(Set<String> await) {
    return new PlanPolicy(Duration.ZERO, Duration.ZERO, KEEP, Duration.ZERO, await);
  }

  /** A fifth of a second of quiet, two seconds at most. */
  public static PlanPolicy standard() {
    return new PlanPolicy(
        Duration.ofMillis(200), Duration.ofSeconds(2), KEEP, Duration.ZERO, Set.of());
  }
}
