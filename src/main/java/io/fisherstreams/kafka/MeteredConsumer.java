package io.fisherstreams.kafka;

import java.util.Map;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A consumer of a stage, with its {@linkplain ClientMeters metrics}. */
final class MeteredConsumer extends KafkaConsumer<byte[], byte[]> {
  private final ClientMeters meters;

  MeteredConsumer(Map<String, Object> config) {
    super(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    meters = ClientMeters.of(this);
  }

  @Override
  public void close() {
    meters.close();
    super.close();
  }

  @Override
  public void close(CloseOptions option) {
    meters.close();
    super.close(option);
  }
}
