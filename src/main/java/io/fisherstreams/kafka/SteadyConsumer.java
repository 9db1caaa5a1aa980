package io.fisherstreams.kafka;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.time.Duration;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.errors.WakeupException;

/**
 * A consumer whose poll ends soon after the wall clock was set back. Otherwise its thread would
 * neither work nor stop until the clock has caught up. All other calls go to the consumer as they
 * are; so do wake-ups by others.
 */
final class SteadyConsumer implements InvocationHandler {
  private static final ClockWatch WATCH = new ClockWatch();

  private final Consumer<byte[], byte[]> consumer;
  private final ClockWatch watch;
  private final Runnable listener = this::wakeUp;
  private boolean isPolling;
  private boolean isWoken;

  private SteadyConsumer(Consumer<byte[], byte[]> consumer, ClockWatch watch) {
    this.consumer = consumer;
    this.watch = watch;
    watch.add(listener);
  }

  /** Wraps a consumer, which is closed with the result. */
  static Consumer<byte[], byte[]> of(Consumer<byte[], byte[]> consumer) {
    return of(consumer, WATCH);
  }

  @SuppressWarnings("unchecked")
  static Consumer<byte[], byte[]> of(Consumer<byte[], byte[]> consumer, ClockWatch watch) {
    return (Consumer<byte[], byte[]>)
        Proxy.newProxyInstance(
            SteadyConsumer.class.getClassLoader(),
            new Class<?>[] {Consumer.class},
            new SteadyConsumer(consumer, watch));
  }

  /** Only a poll may be woken: any other call would fail. */
  private synchronized void wakeUp() {
    if (isPolling) {
      isWoken = true;
      consumer.wakeup();
    }
  }

  @Override
  public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
    if (method.getName().equals("poll")) {
      return poll((Duration) arguments[0]);
    }
    if (method.getName().equals("close")) {
      watch.remove(listener);
    }
    try {
      return method.invoke(consumer, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
    synchronized (this) {
      isPolling = true;
    }
    try {
      return consumer.poll(timeout);
    } catch (WakeupException e) {
      if (!takeWoken()) {
        throw e;
      }
      return ConsumerRecords.empty();
    } finally {
      synchronized (this) {
        isPolling = false;
      }
      if (takeWoken()) {
        forgetWakeUp();
      }
    }
  }

  private synchronized boolean takeWoken() {
    boolean was = isWoken;
    isWoken = false;
    return was;
  }

  /** The poll ended by itself before it saw the wake-up, which would end another call. */
  private void forgetWakeUp() {
    try {
      consumer.wakeup(); // so that the next line ends at once in any case
      consumer.poll(Duration.ZERO);
      throw new IllegalStateException("a consumer polls although it was woken");
    } catch (WakeupException e) {
      // as it should be
    }
  }
}
