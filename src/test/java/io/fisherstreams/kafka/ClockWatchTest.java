package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.junit.jupiter.api.Test;

class ClockWatchTest {
  private static final TopicPartition PARTITION = new TopicPartition("t", 0);

  private final AtomicLong nanos = new AtomicLong(5_000_000_000L);
  private final AtomicLong wallClock = new AtomicLong(1_800_000_000_000L);
  private final ClockWatch watch = new ClockWatch(nanos::get, wallClock::get);

  private void pass(Duration time) {
    nanos.addAndGet(time.toNanos());
    wallClock.addAndGet(time.toMillis());
  }

  private void setClock(Duration step) {
    wallClock.addAndGet(step.toMillis());
  }

  @Test
  void onlyAStepBackIsTold() {
    AtomicInteger told = new AtomicInteger();
    watch.add(told::incrementAndGet);
    pass(Duration.ofHours(3));
    watch.check();
    setClock(Duration.ofHours(2));
    watch.check();
    setClock(Duration.ofMillis(-100));
    watch.check();
    assertThat(told).hasValue(0);
    setClock(Duration.ofMinutes(-2));
    pass(Duration.ofSeconds(1));
    watch.check();
    assertThat(told).hasValue(1);
    watch.check();
    assertThat(told).as("once a step").hasValue(1);
  }

  @Test
  void aThreadThatIsStoppedBetweenTwoReadingsSeesNoStep() {
    AtomicLong pause = new AtomicLong();
    AtomicLong wallRead = new AtomicLong();
    ClockWatch busy =
        new ClockWatch(
            () -> {
              long now = nanos.get();
              if (wallRead.getAndSet(0) == 0) { // the machine stops it before it reads the other
                nanos.addAndGet(pause.get() * 1_000_000);
                wallClock.addAndGet(pause.get());
              }
              return now;
            },
            () -> {
              long now = wallClock.get();
              nanos.addAndGet(pause.get() * 1_000_000);
              wallClock.addAndGet(pause.get());
              wallRead.set(1);
              return now;
            });
    AtomicInteger told = new AtomicInteger();
    busy.add(told::incrementAndGet);
    for (long millis : new long[] {0, 5_000, 0, 60_000, 3, 0}) {
      pause.set(millis);
      busy.check();
      pass(Duration.ofMillis(500));
    }
    assertThat(told).hasValue(0);
    setClock(Duration.ofMinutes(-2));
    busy.check();
    assertThat(told).hasValue(1);
  }

  /** A poll that lasts until somebody wakes it, as one does after a step back. */
  @SuppressWarnings("UnsynchronizedOverridesSynchronized") // one thread polls, another wakes it
  private static final class Stuck extends MockConsumer<byte[], byte[]> {
    final CountDownLatch woken = new CountDownLatch(1);
    final CountDownLatch begun = new CountDownLatch(1);
    private boolean isFirst = true;

    Stuck() {
      super("earliest");
      assign(List.of(PARTITION));
      updateBeginningOffsets(java.util.Map.of(PARTITION, 0L));
      addRecord(new ConsumerRecord<>("t", 0, 0, new byte[1], new byte[1]));
    }

    @Override
    public ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
      if (isFirst) {
        isFirst = false;
        begun.countDown();
        try {
          woken.await();
        } catch (InterruptedException e) {
          throw new IllegalStateException(e);
        }
      }
      return super.poll(timeout);
    }

    @Override
    public void wakeup() {
      super.wakeup();
      woken.countDown();
    }
  }

  @Test
  void aStepBackEndsThePollUnderWayAndNothingElse() throws Exception {
    Stuck stuck = new Stuck();
    Consumer<byte[], byte[]> steady = SteadyConsumer.of(stuck, watch);
    AtomicInteger polled = new AtomicInteger(-1);
    Thread thread = new Thread(() -> polled.set(steady.poll(Duration.ofMillis(10)).count()));
    thread.start();
    stuck.begun.await();
    setClock(Duration.ofHours(-1));
    await()
        .atMost(Duration.ofMinutes(1))
        .until(
            () -> {
              watch.check();
              return !thread.isAlive();
            });
    assertThat(polled).hasValue(0);
    assertThat(steady.poll(Duration.ZERO).count()).as("the record comes next").isEqualTo(1);

    setClock(Duration.ofHours(-1));
    watch.check(); // no poll is under way
    assertThat(steady.position(PARTITION)).isEqualTo(1);
    assertThat(steady.poll(Duration.ZERO).count()).isZero();

    steady.wakeup(); // somebody else's
    assertThatThrownBy(() -> steady.poll(Duration.ZERO)).isInstanceOf(WakeupException.class);
    steady.close();
    assertThat(stuck.closed()).isTrue();
  }
}
