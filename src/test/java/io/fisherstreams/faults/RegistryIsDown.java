package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The schema registry is away when the merging instances and one of the gradient stage start, and
 * while models arrive.
 */
record RegistryIsDown() implements Fault {
  @Override
  public String name() {
    return "schema registry down at instances' start and while models arrive";
  }

  @Override
  public void begin(FaultedPool pool) {
    List<Instance> restarted =
        Stream.of("merge-1", "merge-2", "gradient-1")
            .filter(pool::has)
            .map(pool::instance)
            .toList();
    restarted.forEach(Instance::stop);
    pool.stopRegistry();
    restarted.forEach(Instance::start);
  }

  @Override
  public void end(FaultedPool pool) {
    // instances that know no schema yet cannot have read a record
    assertThat(pool.hasReleased(Set.of("a"))).isTrue();
    pool.startRegistry();
  }
}
