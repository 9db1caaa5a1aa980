package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointFetcherTest {
  private static final int PARTITIONS = 2;

  @TempDir private Path directory;

  private final PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
  private final String topic = topics.checkpointShards().name();
  private final Map<TopicPartition, List<ConsumerRecord<String, byte[]>>> log = new HashMap<>();
  private final List<String> read = new ArrayList<>();
  private final CheckpointFetcher fetcher =
      new CheckpointFetcher(topics, this::consumer, PARTITIONS);

  CheckpointFetcherTest() {
    for (int partition = 0; partition < PARTITIONS; partition++) {
      log.put(new TopicPartition(topic, partition), new ArrayList<>());
    }
  }

  /** A consumer of the log, whose polls bring two records of each partition. */
  private Consumer<String, byte[]> consumer() {
    MockConsumer<String, byte[]> consumer =
        new MockConsumer<>("earliest") {
          @Override
          public synchronized org.apache.kafka.clients.consumer.ConsumerRecords<String, byte[]>
              poll(java.time.Duration timeout) {
            log.forEach(
                (partition, records) ->
                    records.stream()
                        .skip(position(partition))
                        .limit(2)
                        .forEach(
                            record -> {
                              read.add(record.key());
                              addRecord(record);
                            }));
            return super.poll(timeout);
          }
        };
    Map<TopicPartition, Long> beginnings = new HashMap<>();
    Map<TopicPartition, Long> ends = new HashMap<>();
    log.forEach(
        (partition, records) -> {
          beginnings.put(partition, 0L);
          ends.put(partition, (long) records.size());
        });
    consumer.updateBeginningOffsets(beginnings);
    consumer.updateEndOffsets(ends);
    return consumer;
  }

  private static ModelManifest manifest(String model) {
    return ModelManifest.newBuilder()
        .setModel(model)
        .setVersion(1)
        .setRole(Role.FINE_TUNED)
        .setParameters(
            Stream.of("t", "u", "v", "w", "x", "y")
                .map(name -> new Parameter(name, "F32", List.of(1L), true))
                .toList())
        .build();
  }

  private void send(String model, String parameter, Float value) {
    ShardKey key = new ShardKey(parameter, 0, new ModelVersion(model, 1), Optional.empty());
    int partition = Shard.partition(parameter, 0, PARTITIONS);
    byte[] bytes = null;
    if (value != null) {
      ByteBuffer data = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
      data.putFloat(value).flip();
      bytes =
          topics
              .checkpointShards()
              .value()
              .serializer()
              .serialize(topic, new CheckpointShard(model, 1L, parameter, 0, data));
    }
    List<ConsumerRecord<String, byte[]>> records = log.get(new TopicPartition(topic, partition));
    records.add(new ConsumerRecord<>(topic, partition, records.size(), key.toString(), bytes));
  }

  private void sendAll(String model, float first) {
    float value = first;
    for (Parameter parameter : manifest(model).getParameters()) {
      send(model, parameter.getName(), value++);
    }
  }

  private boolean fetch(String model) {
    read.clear();
    return fetcher.fetch(manifest(model), name -> true, directory.resolve(model), () -> false);
  }

  private void assertHolds(String model, float first) {
    try (Checkpoint file = Checkpoint.open(directory.resolve(model))) {
      float value = first;
      for (Parameter parameter : manifest(model).getParameters()) {
        ByteBuffer data = file.slice(parameter.getName(), 0, 1).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(data.getFloat()).isEqualTo(value++);
      }
    }
  }

  @Test
  void readsForTheNextModelOnlyWhatItHasNotReadAndWhatIsTheModels() {
    sendAll("a", 1);
    sendAll("b", 11);
    sendAll("c", 21);
    sendAll("d", 31);
    assertThat(fetch("a")).isTrue();
    assertThat(read).hasSize(24);
    assertThat(fetch("c")).isTrue();
    // up to one poll's records of each partition lie behind the model's own
    assertThat(read).hasSizeLessThanOrEqualTo(6 + PARTITIONS).anyMatch(key -> key.endsWith("c@1"));
    assertThat(read).noneMatch(key -> key.endsWith("a@1"));
    sendAll("e", 41);
    assertThat(fetch("e")).isTrue();
    assertThat(read).hasSize(6);
    assertThat(fetch("b")).isTrue();
    assertHolds("a", 1);
    assertHolds("b", 11);
    assertHolds("c", 21);
    assertHolds("e", 41);
  }

  @Test
  void completesAModelWhoseShardsComeLaterOrAgain() {
    send("a", "t", 5f);
    sendAll("b", 11);
    assertThat(fetch("a")).isFalse();
    assertThat(fetch("b")).isTrue();
    sendAll("a", 1);
    sendAll("b", 51);
    assertThat(fetch("a")).isTrue();
    assertThat(fetch("b")).isTrue();
    assertHolds("a", 1);
    assertHolds("b", 51);
  }

  @Test
  void aRetiredModelIsNotFound() {
    sendAll("a", 1);
    sendAll("b", 11);
    assertThat(fetch("b")).isTrue();
    for (Parameter parameter : manifest("a").getParameters()) {
      send("a", parameter.getName(), null);
    }
    assertThat(fetch("b")).isTrue();
    assertThat(fetch("a")).isFalse();
    assertThat(fetch("b")).isTrue();
    assertHolds("b", 11);
  }

  @Test
  void aTombstoneThatIsAnsweredWithTheShardLeavesTheModelToBeFound() {
    sendAll("a", 1);
    send("a", "t", null);
    send("a", "t", 1f);
    sendAll("b", 11);
    assertThat(fetch("b")).isTrue();
    assertThat(fetch("a")).isTrue();
    assertHolds("a", 1);
  }
}
