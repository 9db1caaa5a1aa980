package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;

/** The schema registry is away when an instance starts, and while models arrive. */
record RegistryIsDown() implements Fault {
  @Override
  public String name() {
    return "schema registry down at an instance's start and while models arrive";
  }

  @Override
  public void begin(FaultedPool pool) {
    pool.merge(1).stop();
    pool.stopRegistry();
    pool.merge(1).start();
  }

  @Override
  public void end(FaultedPool pool) {
    // the instance that knows no schema yet cannot have read its partitions' records
    pool.await("the instance to join", () -> pool.merge(1).tasks() > 0);
    assertThat(pool.hasReleased(Set.of("a", "b", "c"))).isFalse();
    pool.startRegistry();
  }
}
