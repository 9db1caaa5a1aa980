package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TopicModelCatalogTest {
  private final PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
  private final TopicPartition partition = new TopicPartition(topics.models().name(), 0);
  private final MockConsumer<String, byte[]> consumer = new MockConsumer<>("earliest");
  private TopicModelCatalog catalog;
  private long end;

  @BeforeEach
  void start() {
    consumer.updateBeginningOffsets(Map.of(partition, 0L));
    consumer.updateEndOffsets(Map.of(partition, 0L));
    catalog = new TopicModelCatalog(topics.models(), consumer, consumer);
  }

  private static ModelManifest manifest(String model, long version) {
    return ModelManifest.newBuilder()
        .setModel(model)
        .setVersion(version)
        .setRole(Role.FINE_TUNED)
        .setParameters(List.of(new Parameter("w", "F32", List.of(1L), true)))
        .build();
  }

  private void arrive(String key, byte[] value) {
    consumer.addRecord(new ConsumerRecord<>(partition.topic(), 0, end++, key, value));
    consumer.updateEndOffsets(Map.of(partition, end));
  }

  private void arrive(String key, ModelManifest manifest) {
    arrive(key, topics.models().value().serializer().serialize(partition.topic(), manifest));
  }

  private Optional<Long> version(String model) {
    return catalog.latest(model).map(ModelManifest::getVersion);
  }

  @Test
  void knowsTheNewestVersionOfWhatIsNotWithdrawn() {
    arrive("a", manifest("a", 1));
    arrive("b", manifest("b", 5));
    arrive("a", manifest("a", 2));
    arrive("b", (byte[]) null);
    assertThat(version("a")).isEmpty();
    catalog.sync();
    assertThat(version("a")).contains(2L);
    assertThat(version("b")).isEmpty();
    arrive("b", manifest("b", 6));
    catalog.refresh();
    assertThat(version("b")).contains(6L);
  }

  @Test
  void passesOverWhatTheCoordinatorRejects() {
    arrive("a", manifest("a", 3));
    arrive("a", manifest("a", 2)); // stale
    arrive("a", manifest("b", 9)); // under another model's key
    arrive("a", "garbage".getBytes(StandardCharsets.UTF_8));
    arrive(null, manifest("a", 9));
    catalog.sync();
    assertThat(version("a")).contains(3L);
    assertThat(catalog.latest("a").orElseThrow().getModel()).isEqualTo("a");
    assertThat(version("b")).isEmpty();
  }
}
