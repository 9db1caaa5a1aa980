package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The coordinator gets the partitions' reports before the manifests of the models that they are
 * about, the last reports too, after which none comes that would make up for it: topics have no
 * common order.
 */
record ManifestsAreDelayed() implements Fault {
  @Override
  public String name() {
    return "the coordinator gets manifests after the reports about their models";
  }

  @Override
  public void begin(FaultedPool pool) {
    pool.coordinator().calls().delay(pool.topics().models().name());
  }

  @Override
  public void end(FaultedPool pool) {
    pool.await("all models to be sealed", pool::isSealed);
    long last = pool.lastReport();
    pool.await("reports to overtake the manifests", () -> overtaking(pool) >= last);
    pool.coordinator().calls().delayNone();
  }

  @Override
  public void requireInjected(FaultedPool pool) {
    assertThat(overtaking(pool)).isNotNegative();
  }

  private static long overtaking(FaultedPool pool) {
    return pool.coordinator().calls().lastOvertaking(pool.topics().progress().name());
  }
}
