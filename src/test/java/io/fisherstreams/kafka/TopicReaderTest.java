package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.local.EmbeddedBroker;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class TopicReaderTest {
  @TempDir static Path directory;
  private static EmbeddedBroker broker;
  private static KafkaSettings kafka;
  private static Admin admin;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory);
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
    admin = kafka.admin();
  }

  @AfterAll
  static void stop() {
    admin.close();
    broker.close();
  }

  private static TopicPartition topic(String name) throws Exception {
    admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all().get();
    return new TopicPartition(name, 0);
  }

  private static void send(Producer<byte[], byte[]> producer, TopicPartition to, int... values)
      throws Exception {
    for (int value : values) {
      producer.send(new ProducerRecord<>(to.topic(), 0, null, new byte[] {(byte) value})).get();
    }
  }

  private static List<Integer> read(TopicPartition partition) {
    List<Integer> values = new ArrayList<>();
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      consumer.assign(List.of(partition));
      consumer.seek(partition, 0);
      TopicReader.readToEnd(
          consumer, List.of(partition), record -> values.add((int) record.value()[0]));
    }
    return values;
  }

  @Test
  void anEmptyPartitionHasNoRecords() throws Exception {
    assertThat(read(topic("empty"))).isEmpty();
  }

  @Test
  void beginsBehindADeletedFront() throws Exception {
    TopicPartition partition = topic("deleted");
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      send(producer, partition, 1, 2, 3, 4);
    }
    admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(3))).all().get();
    assertThat(read(partition)).containsExactly(4);
    admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).all().get();
    assertThat(read(partition)).isEmpty();
  }

  @Test
  void transactionMarkersAtTheEndAndAbortedRecordsDoNotHoldItUp() throws Exception {
    TopicPartition partition = topic("transactions");
    try (Producer<byte[], byte[]> producer = kafka.newTransactionalProducer("writer")) {
      producer.initTransactions();
      producer.beginTransaction();
      send(producer, partition, 1, 2);
      producer.commitTransaction();
      producer.beginTransaction();
      send(producer, partition, 3);
      producer.abortTransaction();
    }
    assertThat(read(partition)).containsExactly(1, 2);
  }

  @Test
  void gapsOfCompactionDoNotHoldItUpAndItStopsAtTheEnd() {
    TopicPartition partition = new TopicPartition("compacted", 0);
    try (MockConsumer<String, Integer> consumer = new MockConsumer<>("earliest")) {
      consumer.updateBeginningOffsets(Map.of(partition, 0L));
      consumer.updateEndOffsets(Map.of(partition, 10L));
      consumer.assign(List.of(partition));
      for (long offset : new long[] {2, 3, 7, 9}) {
        consumer.addRecord(new ConsumerRecord<>(partition.topic(), 0, offset, "key", (int) offset));
      }
      List<Integer> values = new ArrayList<>();
      TopicReader.readToEnd(consumer, List.of(partition), record -> values.add(record.value()));
      assertThat(values).containsExactly(2, 3, 7, 9);
    }
  }

  @Test
  void cancellingEndsTheReadingBeforeTheEnd() {
    TopicPartition partition = new TopicPartition("cancelled", 0);
    try (MockConsumer<String, Integer> consumer = new MockConsumer<>("earliest")) {
      consumer.updateBeginningOffsets(Map.of(partition, 0L));
      consumer.assign(List.of(partition));
      consumer.addRecord(new ConsumerRecord<>(partition.topic(), 0, 0, "key", 1));
      List<Integer> values = new ArrayList<>();
      TopicReader.readTo(
          consumer,
          Map.of(partition, 5L),
          () -> !values.isEmpty(),
          records -> records.forEach(record -> values.add(record.value())));
      assertThat(values).containsExactly(1);
    }
  }
}
