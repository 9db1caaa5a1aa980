package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.common.KafkaException;

/**
 * A merging instance stops in the middle of a transaction, is expelled from its group when the poll
 * interval is over, and goes on as a zombie as soon as another instance has all its partitions.
 */
record InstanceStalls(AtomicBoolean hasStalled, AtomicBoolean wasReplaced) implements Fault {
  InstanceStalls() {
    this(new AtomicBoolean(), new AtomicBoolean());
  }

  @Override
  public String name() {
    return "an instance stalls beyond its poll interval and comes back as a zombie";
  }

  @Override
  public void begin(FaultedPool pool) {
    StageThread successor = pool.merge(2);
    String mergedTensors = pool.topics().mergedTensors().name();
    pool.merge(1)
        .calls()
        .set(
            (called, topic, isDone) -> {
              // after the call: the zombie's transaction holds a record of the release
              if (isDone && topic.equals(mergedTensors) && hasStalled.compareAndSet(false, true)) {
                stallUntilReplaced(successor);
              }
            });
  }

  private void stallUntilReplaced(StageThread successor) {
    Instant deadline = Instant.now().plusSeconds(120);
    while (successor.tasks() < FaultedPool.PARTITIONS) {
      if (Instant.now().isAfter(deadline)) {
        throw new KafkaException("nobody took the stalled instance's partitions over");
      }
      Thread.onSpinWait();
      try {
        Thread.sleep(50);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new KafkaException(e);
      }
    }
    wasReplaced.set(true);
  }

  @Override
  public void requireInjected(FaultedPool pool) {
    assertThat(wasReplaced).isTrue();
    pool.await("the zombie to merge again", () -> pool.merge(1).tasks() > 0);
  }
}
