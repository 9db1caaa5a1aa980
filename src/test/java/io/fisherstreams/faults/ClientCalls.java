package io.fisherstreams.faults;

import java.util.concurrent.atomic.AtomicReference;

/** The calls that one instance makes on its Kafka clients, and what shall happen on them. */
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

  void set(Trap next) {
    trap.set(next);
  }

  void clear() {
    trap.set(NONE);
  }

  void on(String method, String topic, boolean isDone) {
    trap.get().onCall(method, topic, isDone);
  }
}
