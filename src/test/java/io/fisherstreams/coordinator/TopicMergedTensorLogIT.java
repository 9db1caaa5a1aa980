package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TopicMergedTensorLogIT {
  @Test
  void anOpenTransactionDoesNotHideWhatWasCommittedBehindIt(@TempDir Path directory)
      throws Exception {
    try (EmbeddedBroker broker =
        EmbeddedBroker.start(directory, 0, PoolTopics.MAX_DEAD_LETTER_BYTES)) {
      PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      try (Admin admin = kafka.admin()) {
        new PoolAdmin(admin, topics).create(2, Optional.empty());
      }
      KafkaSettings killed =
          new KafkaSettings(broker.bootstrapServers(), Map.of("transactional.id", "killed"));
      KafkaSettings successor =
          new KafkaSettings(broker.bootstrapServers(), Map.of("transactional.id", "successor"));
      String topic = topics.mergedTensors().name();
      try (Producer<byte[], byte[]> first = killed.newProducer();
          Producer<byte[], byte[]> second = successor.newProducer();
          TopicMergedTensorLog log = new TopicMergedTensorLog(kafka, topics, 2)) {
        assertThat(log.endOffsets()).containsExactly(0L, 0L);
        first.initTransactions();
        first.beginTransaction();
        first.send(new ProducerRecord<>(topic, 1, null, new byte[] {1})).get();
        second.initTransactions();
        second.beginTransaction();
        long offset = second.send(new ProducerRecord<>(topic, 1, null, new byte[1])).get().offset();
        second.commitTransaction();
        assertThat(log.endOffsets().get(0)).isZero();
        assertThat(log.endOffsets().get(1)).isGreaterThan(offset);
      }
    }
  }
}
