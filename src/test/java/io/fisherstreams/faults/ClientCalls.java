package io.fisherstreams.faults;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecords;

/**
 * The calls that one instance makes on its Kafka clients, what shall happen on them, and what its
 * consumers shall get late.
 */
final class ClientCalls {
  /** What happens around a call. */
  interface Trap {
    /**
     * Told of every call.
     *
     * @param method {@code send}, {@code flush}, {@code commitTransaction} and so on
     * @param topic of a record that is sent; else empty
     * @param isDone false before the call, true after it
     */
    void onCall(String method, String topic, boolean isDone);
  }

  private static final Trap NONE = (method, topic, isDone) -> {};

  private final AtomicReference<Trap> trap = new AtomicReference<>(NONE);
  private final Map<String, Long> overtaking = new ConcurrentHashMap<>();
  private volatile String delayed = "";

  void set(Trap next) {
    trap.set(next);
  }

  void clear() {
    trap.set(NONE);
  }

  /** Lets the consumers get nothing more of a topic, until {@link #delayNone}. */
  void delay(String topic) {
    overtaking.clear();
    delayed = topic;
  }

  void delayNone() {
    delayed = "";
  }

  boolean isDelayed(String topic) {
    return topic.equals(delayed);
  }

  /** Told of the records that a consumer got. */
  void polled(ConsumerRecords<?, ?> records) {
    if (!delayed.isEmpty()) {
      records.forEach(received -> overtaking.merge(received.topic(), received.offset(), Math::max));
    }
  }

  /**
   * Offset of the last record of a topic of one partition that has come since another topic was
   * delayed; -1 when none has.
   */
  long lastOvertaking(String topic) {
    return overtaking.getOrDefault(topic, -1L);
  }

  void on(String method, String topic, boolean isDone) {
    trap.get().onCall(method, topic, isDone);
  }
}
