package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;

/**
 * Records over the limit, which the brokers reject; at the limit, which must still fit among the
 * dead letters; and within it but larger than their shard.
 */
record OversizedRecords() implements Fault {
  // What Kafka adds to key and value of one record, with room for a header.
  private static final int OVERHEAD = 1024;

  @Override
  public String name() {
    return "oversized records";
  }

  @Override
  public void begin(FaultedPool pool) throws Exception {
    Map<String, String> client = new HashMap<>(pool.kafka().client());
    client.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Integer.toString(1 << 30));
    try (Producer<byte[], byte[]> producer =
        new KafkaSettings(pool.kafka().bootstrapServers(), client).newProducer()) {
      String topic = pool.topics().checkpointShards().name();
      byte[] key = "large".getBytes(StandardCharsets.UTF_8);
      assertThatThrownBy(
              () ->
                  producer
                      .send(
                          new ProducerRecord<>(
                              topic, 0, key, new byte[PoolTopics.MAX_RECORD_BYTES + 1]))
                      .get())
          .hasCauseInstanceOf(RecordTooLargeException.class);
      ProducerRecord<byte[], byte[]> largest =
          new ProducerRecord<>(topic, 0, key, new byte[PoolTopics.MAX_RECORD_BYTES - OVERHEAD]);
      largest.headers().add("sender", new byte[OVERHEAD / 2]);
      producer.send(largest).get();
      String parameter = "body.bias";
      byte[] tooMuch =
          pool.topics()
              .checkpointShards()
              .value()
              .serializer()
              .serialize(
                  topic,
                  new CheckpointShard("a", 1L, parameter, 0, ByteBuffer.allocate(Shard.MAX_BYTES)));
      producer
          .send(
              new ProducerRecord<>(
                  topic,
                  Shard.partition(parameter, 0, FaultedPool.PARTITIONS),
                  (Shard.id(parameter, 0) + " a@1").getBytes(StandardCharsets.UTF_8),
                  tooMuch))
          .get();
    }
  }

  @Override
  public int badRecords(FaultedPool pool) {
    return 2;
  }

  @Override
  public void requireInjected(FaultedPool pool) {
    assertThat(pool.deadLetters())
        .anyMatch(reason -> reason.contains("no schema of id 0"))
        .anyMatch(reason -> reason.contains("body.bias[0] has " + Shard.MAX_BYTES + " bytes"));
  }
}
