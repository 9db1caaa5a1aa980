package io.fisherstreams.faults;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A third merging instance joins while the others carry a plan out, which goes no further before it
 * has asked for its share; at the end one of the first leaves.
 */
record RebalanceDuringPlan(AtomicBoolean hasJoined) implements Fault {
  RebalanceDuringPlan() {
    this(new AtomicBoolean());
  }

  @Override
  public String name() {
    return "instances join and leave while a plan runs";
  }

  @Override
  public void begin(FaultedPool pool) {
    StageThread third = pool.newThread("merge-3");
    String mergedTensors = pool.topics().mergedTensors().name();
    AtomicBoolean isFirst = new AtomicBoolean(true);
    for (int number : new int[] {1, 2}) {
      pool.merge(number)
          .calls()
          .set(
              (called, topic, isDone) -> {
                if (!isDone && topic.equals(mergedTensors) && isFirst.compareAndSet(true, false)) {
                  pool.start("merge-3", third);
                  while (!third.hasJoined()) {
                    Thread.onSpinWait();
                  }
                }
              });
    }
  }

  @Override
  public void end(FaultedPool pool) {
    pool.await(
        "the third instance to merge",
        () -> pool.has("merge-3") && pool.thread("merge-3").tasks() > 0);
    hasJoined.set(true);
    pool.merge(1).stop();
  }

  @Override
  public void requireInjected(FaultedPool pool) {
    if (!hasJoined.get()) {
      throw new AssertionError("nobody joined");
    }
  }
}
