package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;

/** The schema registry is away when the merging instances start, and while models arrive. */
record RegistryIsDown() implements Fault {
  @Override
  public String name() {
    return "schema registry down at instances' start and while models arrive";
  }

  @Override
  public void begin(FaultedPool pool) {
    pool.merge(1).stop();
    pool.merge(2).stop();
    pool.stopRegistry();
    pool.merge(1).start();
    pool.merge(2).start();
  }

  @Override
  public void end(FaultedPool pool) {
    // instances that know no schema yet cannot have read a record
    assertThat(pool.hasReleased(Set.of("a", "b", "c"))).isFalse();
    pool.startRegistry();
  }
}
