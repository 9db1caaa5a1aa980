package io.fisherstreams.kafka;

import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A producer of a stage, with its {@linkplain ClientMeters metrics}. */
final class MeteredProducer extends KafkaProducer<byte[], byte[]> {
  private final ClientMeters meters;

  MeteredProducer(Map<String, Object> config) {
    super(config, new ByteArraySerializer(), new ByteArraySerializer());
    meters = ClientMeters.of(this);
  }

  @Override
  public void close(Duration timeout) {
    meters.close();
    super.close(timeout);
  }
}
