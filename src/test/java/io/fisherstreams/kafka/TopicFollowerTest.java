package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.junit.jupiter.api.Test;

class TopicFollowerTest {
  @Test
  void skipsARecordThatFailsThreeTimesButNotOneWhoseSurroundingsFail() {
    PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
    TopicPartition partition = new TopicPartition(topics.releases().name(), 0);
    MockConsumer<byte[], byte[]> consumer = new MockConsumer<>("earliest");
    consumer.updateBeginningOffsets(Map.of(partition, 0L));
    List<Long> tried = new CopyOnWriteArrayList<>();
    try (TopicFollower follower =
        new TopicFollower(
            "follower",
            consumer,
            List.of(topics.releases()),
            (group, assigned) -> 0,
            record -> {
              tried.add(record.offset());
              long before = tried.stream().filter(o -> o == record.offset()).count();
              if (record.offset() == 0 && before < 4) {
                throw new TimeoutException("the broker is away");
              }
              if (record.offset() == 1) {
                throw new IllegalStateException("unforeseen");
              }
            })) {
      consumer.schedulePollTask(
          () -> {
            consumer.rebalance(List.of(partition));
            for (long offset = 0; offset < 3; offset++) {
              consumer.addRecord(
                  new ConsumerRecord<>(partition.topic(), 0, offset, new byte[1], new byte[1]));
            }
          });
      follower.start();
      await().atMost(Duration.ofMinutes(1)).until(() -> tried.contains(2L));
      assertThat(tried).containsExactly(0L, 0L, 0L, 0L, 1L, 1L, 1L, 2L);
    }
  }
}
