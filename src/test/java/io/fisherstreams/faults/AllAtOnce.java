package io.fisherstreams.faults;

import java.util.List;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.Producer;

/** Several faults in one run. */
record AllAtOnce(List<Fault> faults) implements Fault {
  @Override
  public String name() {
    return faults.stream().map(Fault::name).collect(Collectors.joining("; "));
  }

  @Override
  public void begin(FaultedPool pool) throws Exception {
    for (Fault fault : faults) {
      fault.begin(pool);
    }
  }

  @Override
  public void amid(FaultedPool pool) throws Exception {
    for (Fault fault : faults) {
      fault.amid(pool);
    }
  }

  @Override
  public void end(FaultedPool pool) throws Exception {
    for (Fault fault : faults) {
      fault.end(pool);
    }
  }

  @Override
  public void requireInjected(FaultedPool pool) throws Exception {
    for (Fault fault : faults) {
      fault.requireInjected(pool);
    }
  }

  @Override
  public Producer<byte[], byte[]> publisher(Producer<byte[], byte[]> producer) {
    Producer<byte[], byte[]> wrapped = producer;
    for (Fault fault : faults) {
      wrapped = fault.publisher(wrapped);
    }
    return wrapped;
  }

  @Override
  public int badRecords(FaultedPool pool) {
    return faults.stream().mapToInt(fault -> fault.badRecords(pool)).sum();
  }
}
