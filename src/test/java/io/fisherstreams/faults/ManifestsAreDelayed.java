package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The coordinator gets the partitions' reports before the manifests of the models that they are
 * about: topics have no common order.
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
    pool.await("reports to overtake the manifests", () -> overtaking(pool) > 0);
    pool.coordinator().calls().delayNone();
  }

  @Override
  public void requireInjected(FaultedPool pool) {
    assertThat(overtaking(pool)).isPositive();
  }

  private static long overtaking(FaultedPool pool) {
    return pool.coordinator().calls().overtaking(pool.topics().progress().name());
  }
}
