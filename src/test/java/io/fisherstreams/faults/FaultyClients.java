package io.fisherstreams.faults;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Configurable;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.KafkaClientSupplier;

/**
 * Kafka Streams' clients, whose calls go by the instance's {@link ClientCalls}. Streams makes it
 * from its configuration, so the way to the instance's object leads over a name.
 */
public final class FaultyClients implements KafkaClientSupplier, Configurable {
  /** Configuration key: the name that {@link #register} gave. */
  static final String CALLS = "faults.calls";

  private static final Map<String, ClientCalls> REGISTERED = new ConcurrentHashMap<>();

  private ClientCalls calls;

  /** The name under which clients find the object. */
  static String register(ClientCalls calls) {
    String name = UUID.randomUUID().toString();
    REGISTERED.put(name, calls);
    return name;
  }

  @Override
  public void configure(Map<String, ?> configs) {
    calls = REGISTERED.get(configs.get(CALLS));
  }

  @Override
  public Admin getAdmin(Map<String, Object> config) {
    return Admin.create(config);
  }

  @Override
  @SuppressWarnings("unchecked")
  public Producer<byte[], byte[]> getProducer(Map<String, Object> config) {
    Producer<byte[], byte[]> producer =
        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    return (Producer<byte[], byte[]>)
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {Producer.class},
            (proxy, method, arguments) -> {
              String topic =
                  method.getName().equals("send")
                      ? ((ProducerRecord<?, ?>) arguments[0]).topic()
                      : "";
              calls.on(method.getName(), topic, false);
              try {
                Object result = method.invoke(producer, arguments);
                calls.on(method.getName(), topic, true);
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** Before each poll the delayed topic's partitions are paused, as if their broker were slow. */
  @Override
  @SuppressWarnings("unchecked")
  public Consumer<byte[], byte[]> getConsumer(Map<String, Object> config) {
    Consumer<byte[], byte[]> consumer = consumer(config);
    Set<TopicPartition> paused = new HashSet<>();
    return (Consumer<byte[], byte[]>)
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {Consumer.class},
            (proxy, method, arguments) -> {
              boolean isPoll = method.getName().equals("poll");
              if (isPoll) {
                delay(consumer, paused);
              }
              try {
                Object result = method.invoke(consumer, arguments);
                if (isPoll) {
                  calls.polled((ConsumerRecords<?, ?>) result);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private void delay(Consumer<byte[], byte[]> consumer, Set<TopicPartition> paused) {
    Set<TopicPartition> assigned = consumer.assignment();
    paused.retainAll(assigned);
    for (TopicPartition partition : assigned) {
      if (calls.isDelayed(partition.topic())) {
        consumer.pause(Set.of(partition));
        paused.add(partition);
      } else if (paused.remove(partition)) {
        consumer.resume(Set.of(partition));
      }
    }
  }

  private static Consumer<byte[], byte[]> consumer(Map<String, Object> config) {
    return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  @Override
  public Consumer<byte[], byte[]> getRestoreConsumer(Map<String, Object> config) {
    return consumer(config);
  }

  @Override
  public Consumer<byte[], byte[]> getGlobalConsumer(Map<String, Object> config) {
    return consumer(config);
  }
}
