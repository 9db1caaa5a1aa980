package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The state directory of one instance lies on a file system of a few MiB: the instance ends and
 * says why, the other takes its partitions over.
 */
record DiskIsFull(SmallDisk disk) implements Fault {
  @Override
  public String name() {
    return "disk of an instance's state directory full";
  }

  @Override
  public void begin(FaultedPool pool) {
    pool.merge(1).stop();
    pool.startThread("merge-1", disk.directory());
  }

  @Override
  public void end(FaultedPool pool) {
    pool.await("the instance to end", () -> pool.merge(1).end().isPresent());
    assertThat(pool.merge(1).end().orElseThrow())
        .hasMessageContaining("no space left")
        .hasMessageContaining(disk.directory().toString());
  }
}
