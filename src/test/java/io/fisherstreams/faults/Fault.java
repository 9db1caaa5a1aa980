package io.fisherstreams.faults;

import org.apache.kafka.clients.producer.Producer;

/**
 * Something that goes wrong. {@link FaultedPool#run} and {@link EstimatedRun#run} call these in
 * turn while models arrive; each does nothing unless the fault overrides it.
 */
interface Fault {
  /** In a few words. */
  String name();

  /** The first release is out. */
  default void begin(FaultedPool pool) throws Exception {}

  /** The second model's checkpoint and the first of its gradient batches or examples are sent. */
  default void amid(FaultedPool pool) throws Exception {}

  /** All models are sent. Here the cause of the fault ends, and nobody helps any further. */
  default void end(FaultedPool pool) throws Exception {}

  /** All guarantees hold; throws when the fault did not take place at all. */
  default void requireInjected(FaultedPool pool) throws Exception {}

  /** What the publisher sends with, given its producer. */
  default Producer<byte[], byte[]> publisher(Producer<byte[], byte[]> producer) {
    return producer;
  }

  /** How many records the pool's instances shall have rejected. */
  default int badRecords(FaultedPool pool) {
    return 0;
  }
}
