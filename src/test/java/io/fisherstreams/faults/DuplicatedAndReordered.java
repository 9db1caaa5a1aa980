package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Every shard and batch is sent twice, in an order of chance among the {@value #WINDOW} of a time.
 */
record DuplicatedAndReordered(long seed, AtomicInteger duplicates) implements Fault {
  private static final int WINDOW = 20;

  DuplicatedAndReordered(long seed) {
    this(seed, new AtomicInteger());
  }

  @Override
  public String name() {
    return "publisher duplicates and reorders, seed " + seed;
  }

  @Override
  @SuppressWarnings({"unchecked", "FutureReturnValueIgnored"}) // the callback has the failure
  public Producer<byte[], byte[]> publisher(Producer<byte[], byte[]> producer) {
    Random random = new Random(seed);
    List<Object[]> waiting = new ArrayList<>();
    return (Producer<byte[], byte[]>)
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {Producer.class},
            (proxy, method, arguments) -> {
              boolean isSend = method.getName().equals("send");
              boolean isManifest =
                  isSend && ((ProducerRecord<?, ?>) arguments[0]).topic().endsWith(".models");
              if (isSend && !isManifest) {
                waiting.add(arguments);
                waiting.add(arguments);
                duplicates.incrementAndGet();
              }
              if (waiting.size() >= WINDOW || method.getName().equals("flush")) {
                Collections.shuffle(waiting, random);
                for (Object[] record : waiting) {
                  producer.send(
                      (ProducerRecord<byte[], byte[]>) record[0],
                      (org.apache.kafka.clients.producer.Callback) record[1]);
                }
                waiting.clear();
              }
              try {
                return isSend && !isManifest ? null : method.invoke(producer, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  @Override
  public void requireInjected(FaultedPool pool) {
    assertThat(duplicates).hasPositiveValue();
  }
}
