package io.fisherstreams.faults;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One record, sent once by a client that may write to a topic, must not stop a pool. */
class HostileRecordsIT {
  @TempDir private static Path directory;
  private static EmbeddedBroker broker;
  private static KafkaSettings kafka;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
  }

  @AfterAll
  static void stop() {
    broker.close();
  }

  private static List<ProducerRecord<byte[], byte[]>> everywhere(
      HostilePool pool, byte[] key, byte[] value) {
    List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
    for (Topic<?, ?> topic : pool.topics().all()) {
      for (int partition = 0;
          partition < (topic.sharded() ? HostilePool.PARTITIONS : 1);
          partition++) {
        for (long time : new long[] {-1, Long.MAX_VALUE, 1, 1L << 50}) {
          records.add(HostilePool.at(time, topic.name(), partition, key, value));
        }
      }
    }
    return records;
  }

  @Test
  void aRecordFromOutsideOfTimeStopsNothing() throws Exception {
    try (HostilePool pool = new HostilePool(kafka, "time", directory.resolve("time"))) {
      pool.publish("a", 1);
      pool.requireRelease();
      List<String> sent = new ArrayList<>();
      for (ProducerRecord<byte[], byte[]> record :
          everywhere(pool, "key".getBytes(UTF_8), "garbage".getBytes(UTF_8))) {
        Optional<String> at = pool.send(record);
        at.ifPresent(sent::add);
      }
      for (ProducerRecord<byte[], byte[]> record : pool.published("b", 3, -1)) {
        assertThat(pool.send(record)).isPresent();
      }
      pool.requireRelease();
      assertThat(sent).isNotEmpty();
    }
  }
}
