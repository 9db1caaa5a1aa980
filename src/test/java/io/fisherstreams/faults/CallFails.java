package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.KafkaException;

/**
 * A call of an instance's producer fails, time and again.
 *
 * @param instance whose
 * @param method the producer's
 * @param every at every so many calls, counted from the first after the first release
 * @param times how often in all
 * @param isDone whether the call has its effect all the same, as when only the answer is lost
 */
record CallFails(
    String instance, String method, int every, int times, boolean isDone, AtomicInteger failures)
    implements Fault {
  CallFails(String instance, String method, int every, int times, boolean isDone) {
    this(instance, method, every, times, isDone, new AtomicInteger());
  }

  @Override
  public String name() {
    return String.format(
        Locale.ROOT,
        "%s: %s fails%s at every %d. call, %d times at most",
        instance,
        method,
        isDone ? " after its effect" : "",
        every,
        times);
  }

  @Override
  public void begin(FaultedPool pool) {
    AtomicInteger calls = new AtomicInteger();
    pool.thread(instance)
        .calls()
        .set(
            (called, topic, done) -> {
              if (called.equals(method)
                  && done == isDone
                  && failures.get() < times
                  && calls.incrementAndGet() % every == 0) {
                failures.incrementAndGet();
                throw new KafkaException("injected into " + method);
              }
            });
  }

  @Override
  public void requireInjected(FaultedPool pool) {
    assertThat(failures).hasPositiveValue();
  }
}
