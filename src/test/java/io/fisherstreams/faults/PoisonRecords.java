package io.fisherstreams.faults;

import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Records that nobody can read, in every partition of every topic, before and amid good ones, and
 * under the keys of the base model's shards, which compaction would then lose.
 */
record PoisonRecords() implements Fault {
  private static final int KINDS = 5;

  /** Garbage, and a tombstone. */
  private static final List<byte[]> UNDER_KNOWN_KEYS = Arrays.asList(new byte[] {7}, null);

  @Override
  public String name() {
    return "poison records in every topic";
  }

  @Override
  public void begin(FaultedPool pool) {
    send(pool);
  }

  @Override
  public void amid(FaultedPool pool) {
    send(pool);
  }

  /** Garbage, nothing, an unknown schema, a record of another topic, half a record. */
  private static List<byte[]> values(FaultedPool pool, Topic<?, ?> topic) {
    SortedMap<Long, Release> releases = pool.releases();
    Release release =
        releases.values().stream()
            .filter(r -> r.getStatus() == ReleaseStatus.COMPLETE)
            .findFirst()
            .orElseThrow();
    byte[] foreign =
        pool.topics().releases().value().serializer().serialize("another-topic", release);
    boolean isReleases = topic.name().equals(pool.topics().releases().name());
    byte[] other = isReleases ? new byte[] {0, 0, 0, 0, 1, 7} : foreign;
    return List.of(
        "garbage".getBytes(StandardCharsets.UTF_8),
        new byte[0],
        new byte[] {0, 0x7f, 0x7f, 0x7f, 0x7f, 1, 2, 3},
        other,
        Arrays.copyOf(foreign, foreign.length / 2));
  }

  @SuppressWarnings("FutureReturnValueIgnored") // closing the producer waits for them
  private static void send(FaultedPool pool) {
    try (Producer<byte[], byte[]> producer = pool.kafka().newProducer()) {
      for (Topic<?, ?> topic : pool.topics().all()) {
        int partitions = topic.sharded() ? FaultedPool.PARTITIONS : 1;
        for (int partition = 0; partition < partitions; partition++) {
          for (byte[] value : values(pool, topic)) {
            producer.send(
                new ProducerRecord<>(
                    topic.name(), partition, "poison".getBytes(StandardCharsets.UTF_8), value));
          }
        }
      }
      for (ShardKey key : pool.baseShards()) {
        for (byte[] value : UNDER_KNOWN_KEYS) {
          producer.send(
              new ProducerRecord<>(
                  pool.topics().checkpointShards().name(),
                  key.partition(FaultedPool.PARTITIONS),
                  key.toString().getBytes(StandardCharsets.UTF_8),
                  value));
        }
      }
      producer.flush();
    }
  }

  /**
   * In the merge stage's three inputs, in the coordinator's three of one partition, and in the
   * examples. A gradient instance passes over those in its own log of what is counted.
   */
  @Override
  public int badRecords(FaultedPool pool) {
    int sharded = pool.has("gradient-1") ? 4 : 3;
    return 2 * KINDS * (sharded * FaultedPool.PARTITIONS + 3)
        + 2 * UNDER_KNOWN_KEYS.size() * pool.baseShards().size();
  }
}
