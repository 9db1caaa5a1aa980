package io.fisherstreams.kafka;

import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.streams.processor.internals.DefaultKafkaClientSupplier;

/** Kafka Streams' own clients, whose polls end soon after the wall clock was set back. */
public final class SteadyClients extends DefaultKafkaClientSupplier {
  @Override
  public Consumer<byte[], byte[]> getConsumer(Map<String, Object> config) {
    return SteadyConsumer.of(super.getConsumer(config));
  }

  @Override
  public Consumer<byte[], byte[]> getRestoreConsumer(Map<String, Object> config) {
    return SteadyConsumer.of(super.getRestoreConsumer(config));
  }
}
