package io.fisherstreams.webhook;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.PoolTopics;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;

/** The events that a pool's topics still have, to be sent again. */
public final class PastEvents {
  private PastEvents() {}

  /**
   * Every event once, in the order of their times. Both topics keep the newest record of each key,
   * so an alias's earlier moves may be gone.
   */
  public static List<ReleaseEvent> read(KafkaSettings kafka, PoolTopics topics) {
    List<TopicPartition> partitions =
        List.of(
            new TopicPartition(topics.releases().name(), 0),
            new TopicPartition(topics.aliases().name(), 0));
    Map<UUID, ReleaseEvent> events = new LinkedHashMap<>();
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      TopicReader.readToEnd(
          consumer,
          partitions,
          record ->
              ReleaseEvent.of(topics, record).forEach(event -> events.put(event.id(), event)));
    }
    return events.values().stream().sorted(Comparator.comparing(ReleaseEvent::at)).toList();
  }
}
