package io.fisherstreams.simulate;

import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.Punctuator;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * One task of a stage without Kafka: the stage's own processor on stores in memory. Its clock moves
 * only in {@link #advance}, records are processed at once, and sent records are encoded, counted
 * and passed to a listener.
 */
final class SimulatedStage implements AutoCloseable {
  /** Is notified of every record that the stage sends. */
  interface Listener {
    void sent(String topic, Object value);
  }

  private record Position(String topic, int partition, long offset) implements RecordMetadata {}

  private final PoolTopics topics;
  private final int partition;
  private final int partitions;
  private final Listener listener;
  private final Traffic changelog = new Traffic();
  private final Traffic output = new Traffic();
  private final Map<String, SimulatedStore<?>> stores = new HashMap<>();
  private final List<Punctuator> punctuators = new ArrayList<>();
  private final Map<String, Topic<?, ?>> byName = new HashMap<>();
  private Processor<byte[], byte[], Object, Object> processor;
  private Position position;
  private long now;
  private long offset;

  /**
   * A stage without a processor.
   *
   * @param partition the task's partition
   * @param partitions number of copies of a record that is sent to every partition
   */
  SimulatedStage(PoolTopics topics, int partition, int partitions, Listener listener) {
    this.topics = topics;
    this.partition = partition;
    this.partitions = partitions;
    this.listener = listener;
    topics.all().forEach(topic -> byName.put(topic.name(), topic));
  }

  <V extends SpecificRecordBase> SimulatedStage store(String name, Class<V> type) {
    stores.put(name, new SimulatedStore<>(name, type, changelog));
    return this;
  }

  /** Starts the stage's processor. */
  @SuppressWarnings("unchecked")
  void start(Processor<byte[], byte[], Object, Object> stage) {
    processor = stage;
    processor.init(
        (ProcessorContext<Object, Object>)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {ProcessorContext.class},
                (proxy, method, arguments) -> call(method.getName(), arguments)));
  }

  private Object call(String method, Object[] arguments) {
    return switch (method) {
      case "getStateStore" -> stores.get((String) arguments[0]);
      case "taskId" -> new TaskId(0, partition);
      case "currentSystemTimeMs" -> now;
      case "recordMetadata" -> Optional.of(position);
      case "schedule" -> {
        punctuators.add((Punctuator) arguments[2]);
        yield (Cancellable) () -> {};
      }
      case "forward" -> {
        send((Record<?, ?>) arguments[0], (String) arguments[1]);
        yield null;
      }
      case "commit" -> null;
      default -> throw new UnsupportedOperationException(method);
    };
  }

  /** A sink's name is {@code to-} followed by the topic's name. */
  @SuppressWarnings("unchecked")
  private void send(Record<?, ?> record, String sink) {
    Topic<?, ?> topic = byName.get(topics.pool() + "." + sink.substring("to-".length()));
    byte[] value = encode((Topic<?, Object>) topic, record.value());
    int copies = topic.name().equals(topics.mergePlans().name()) ? partitions : 1;
    for (int copy = 0; copy < copies; copy++) {
      output.add(record.key().toString().length() + (value == null ? 0 : value.length));
    }
    listener.sent(topic.name(), record.value());
  }

  private static <V> byte[] encode(Topic<?, V> topic, V value) {
    return topic.value().serializer().serialize(topic.name(), value);
  }

  /** Processes one record. */
  <V> void process(Topic<?, V> topic, String key, V value) {
    position = new Position(topic.name(), partition, offset++);
    processor.process(
        new Record<>(
            key.getBytes(StandardCharsets.UTF_8), encode(topic, value), now, (Headers) null));
  }

  /** Moves the clock and runs the punctuators. */
  void advance(long millis) {
    now += millis;
    punctuators.forEach(punctuator -> punctuator.punctuate(now));
  }

  /** What was written to the stores' changelogs. */
  Traffic changelog() {
    return changelog;
  }

  /** What was sent to topics. */
  Traffic output() {
    return output;
  }

  @Override
  public void close() {
    processor.close();
  }
}
