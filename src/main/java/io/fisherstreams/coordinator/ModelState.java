package io.fisherstreams.coordinator;

/** How far a version of a model is, for programs; {@link PoolStatus#state} says it to people. */
public enum ModelState {
  /** It can be merged; of a base: all its shards have arrived. */
  READY,
  /** Checkpoint shards are missing. */
  INCOMPLETE,
  /** Its checkpoint is complete, and Fisher shards are not sealed. */
  AWAITS_FISHER,
  /** It is complete, and the pool has no complete base. */
  AWAITS_BASE,
  /** It is complete, and the coordinator leaves it out: its share or a gate says so. */
  LEFT_OUT,
  /** It is complete and does not fit the base. */
  REJECTED
}
