package io.fisherstreams.faults;

/** Two of three brokers stop and come back, one after the other, while models arrive. */
record BrokersBounce(Cluster cluster) implements Fault {
  @Override
  public String name() {
    return "two brokers of three stopped and bounced, one after the other";
  }

  @Override
  public void begin(FaultedPool pool) {
    cluster.stopBroker(0);
  }

  @Override
  public void amid(FaultedPool pool) {
    cluster.startBroker(0);
    pool.await("replicas in sync", () -> cluster.isInSync(pool.topics()));
    cluster.stopBroker(1);
  }

  @Override
  public void end(FaultedPool pool) {
    cluster.startBroker(1);
  }
}
