package io.fisherstreams.kafka;

import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.binder.kafka.KafkaClientMetrics;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Kafka's own metrics of one client that lives as long as its stage. They are shown while the
 * client is open, in a process that shows metrics at all.
 */
final class ClientMeters implements AutoCloseable {
  private final Optional<KafkaClientMetrics> metrics;

  private ClientMeters(Supplier<KafkaClientMetrics> create) {
    boolean isShown = !Metrics.globalRegistry.getRegistries().isEmpty();
    metrics = isShown ? Optional.of(create.get()) : Optional.empty();
    metrics.ifPresent(shown -> shown.bindTo(Metrics.globalRegistry));
  }

  static ClientMeters of(MeteredConsumer consumer) {
    return new ClientMeters(() -> new KafkaClientMetrics(consumer));
  }

  static ClientMeters of(MeteredProducer producer) {
    return new ClientMeters(() -> new KafkaClientMetrics(producer));
  }

  @Override
  public void close() {
    metrics.ifPresent(KafkaClientMetrics::close);
  }
}
