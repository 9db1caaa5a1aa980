package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.record.CountedExamples;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ClaimCommitTest {
  private static final SimpleMeterRegistry METERS = new SimpleMeterRegistry();

  private static final int PARTITIONS = 4;

  private final PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
  private final MockProducer<byte[], byte[]> producer =
      new MockProducer<>(
          cluster(), true, null, new ByteArraySerializer(), new ByteArraySerializer());
  private final Backlog backlog = new Backlog(PARTITIONS);
  private final Set<ModelVersion> overtaken = new HashSet<>();
  private final List<String> heard = new ArrayList<>();
  private final EstimatedModel model = Pending.model("m", "exact", 2, 100);
  private ClaimCommit commits;

  private Cluster cluster() {
    Node node = new Node(0, "none", 9092);
    List<PartitionInfo> partitions =
        Stream.of(
                topics.checkpointShards(),
                topics.gradientBatches(),
                topics.countedExamples(),
                topics.deadLetters())
            .flatMap(
                topic ->
                    IntStream.range(0, PARTITIONS)
                        .mapToObj(p -> new PartitionInfo(topic.name(), p, node, null, null)))
            .toList();
    return new Cluster("cluster", List.of(node), partitions, Set.of(), Set.of());
  }

  @BeforeEach
  @SuppressWarnings("removal") // without a broker, only the constructor makes the metadata
  void start() {
    producer.initTransactions();
    commits =
        new ClaimCommit(
            topics,
            producer,
            () -> new ConsumerGroupMetadata("group", 1, "member", Optional.empty()),
            backlog,
            overtaken::contains,
            new ClaimListener() {
              @Override
              public void claimed(ModelVersion version, long examples) {}

              @Override
              public void counted(ModelVersion version, long examples) {
                heard.add(version + " " + examples + " committed " + producer.commitCount());
              }
            });
    for (int partition = 0; partition < PARTITIONS; partition++) {
      backlog.assign(partition, Map.of());
    }
  }

  private void arrives(int partition, long offset, long index) {
    backlog.add(Pending.example(model, partition, offset, index));
  }

  private Claim claimAll() {
    Claim claim = new Claim(model, 1000, System.nanoTime());
    claim.add(backlog.take(model, 1000, true));
    return claim;
  }

  /** Sums over texts of 12 tokens in all. */
  private static ClaimCommit.Sums sums(Flush flush) {
    return new ClaimCommit.Sums() {
      @Override
      public long flush(String source, long sequence, BiConsumer<Shard, GradientBatch> output) {
        return flush.apply(source, sequence, output);
      }

      @Override
      public long tokens() {
        return 12;
      }
    };
  }

  private interface Flush {
    long apply(String source, long sequence, BiConsumer<Shard, GradientBatch> output);
  }

  private static long flush(String source, long sequence, BiConsumer<Shard, GradientBatch> output) {
    Shard shard = new Shard(new TensorInfo("w", DType.F32, List.of(1L)), 0);
    output.accept(
        shard,
        GradientBatch.newBuilder()
            .setModel("m")
            .setVersion(1)
            .setParameter("w")
            .setShard(0)
            .setSource(source)
            .setSequence(sequence)
            .setExamples(2)
            .setEncoding(Encoding.SQUARED_SUM)
            .setData(ByteBuffer.allocate(4))
            .build());
    return 4;
  }

  private static long noFlush(
      String source, long sequence, BiConsumer<Shard, GradientBatch> output) {
    throw new AssertionError("no example is counted");
  }

  private TopicPartition examples(int partition) {
    return new TopicPartition(topics.examples().name(), partition);
  }

  private List<ProducerRecord<byte[], byte[]>> sent(Topic<?, ?> topic) {
    return producer.history().stream()
        .filter(record -> record.topic().equals(topic.name()))
        .toList();
  }

  private <V> V value(Topic<?, V> topic, ProducerRecord<byte[], byte[]> record) {
    return topic.value().deserializer().deserialize(topic.name(), record.value());
  }

  private Map<TopicPartition, OffsetAndMetadata> offsets() {
    return producer.consumerGroupOffsetsHistory().get(0).get("group");
  }

  @BeforeAll
  static void count() {
    Metrics.addRegistry(METERS);
  }

  @AfterAll
  static void stopCounting() {
    Metrics.removeRegistry(METERS);
  }

  @Test
  void aFlushSendsBatchesCountsDeadLettersAndOffsetsInOneTransaction() {
    double tokens = METERS.get("fisherstreams.gradient.tokens").counter().count();
    arrives(1, 40, 1);
    arrives(1, 41, 5);
    backlog.add(Pending.rejected(2, 7, "no key"));
    arrives(3, 9, 3);
    assertThat(commits.commit(claimAll(), sums(ClaimCommitTest::flush)))
        .isEqualTo(Map.of(examples(1), 42L, examples(2), 8L, examples(3), 10L));
    assertThat(producer.commitCount()).isEqualTo(1);
    assertThat(offsets())
        .isEqualTo(
            Map.of(
                examples(1), new OffsetAndMetadata(42),
                examples(2), new OffsetAndMetadata(8),
                examples(3), new OffsetAndMetadata(10)));
    GradientBatch batch = value(topics.gradientBatches(), sent(topics.gradientBatches()).get(0));
    assertThat(batch.getSource()).as("the first example's partition").endsWith("1");
    assertThat(batch.getSequence()).as("and offset").isEqualTo(40);
    assertThat(sent(topics.countedExamples()))
        .extracting(record -> value(topics.countedExamples(), record))
        .containsExactlyInAnyOrder(
            new CountedExamples("m", 1L, List.of(0L, 1L)),
            new CountedExamples("m", 1L, List.of(0L, 0L)));
    assertThat(sent(topics.deadLetters()))
        .singleElement()
        .satisfies(
            letter -> {
              assertThat(DeadLetters.reason(letter.headers())).isEqualTo("no key");
              assertThat(DeadLetters.kind(letter.headers())).isEqualTo(RejectionKind.EXAMPLE);
            });
    assertThat(heard).containsExactly("m@1 3 committed 1");
    assertThat(METERS.get("fisherstreams.gradient.tokens").counter().count())
        .isEqualTo(tokens + 12);
  }

  @Test
  void nothingIsVisibleWhenTheTransactionFails() {
    arrives(0, 0, 0);
    producer.commitTransactionException = new KafkaException("fenced");
    Claim claim = claimAll();
    assertThatExceptionOfType(KafkaException.class)
        .isThrownBy(() -> commits.commit(claim, sums(ClaimCommitTest::flush)));
    producer.abortTransaction();
    assertThat(producer.history()).isEmpty();
    assertThat(producer.consumerGroupOffsetsHistory()).isEmpty();
    assertThat(heard).isEmpty();
  }

  @Test
  void aClaimWhoseExamplesAreAllRejectedSendsNoBatch() {
    arrives(0, 0, 0);
    arrives(0, 1, 4);
    Claim claim = new Claim(model, 1000, System.nanoTime());
    List<List<PendingExample>> batches = backlog.take(model, 1000, true);
    claim.add(batches);
    claim.summed(
        batches,
        Map.of(
            batches.get(0).get(0),
            Pending.rejection("bad"),
            batches.get(0).get(1),
            Pending.rejection("worse")));
    assertThat(commits.commit(claim, sums(ClaimCommitTest::noFlush)))
        .isEqualTo(Map.of(examples(0), 2L));
    assertThat(sent(topics.countedExamples())).isEmpty();
    assertThat(sent(topics.deadLetters()))
        .extracting(letter -> DeadLetters.reason(letter.headers()))
        .containsExactly("bad", "worse");
    assertThat(heard).containsExactly("m@1 0 committed 1");
  }

  @Test
  void withoutAClaimTheHandledRecordsAreCommitted() {
    backlog.add(Pending.rejected(2, 7, "no key"));
    arrives(3, 5, 3);
    assertThat(commits.commit()).isEqualTo(Map.of(examples(2), 8L));
    assertThat(offsets())
        .as("the offset of the partition that has not advanced is committed again")
        .isEqualTo(
            Map.of(
                examples(2), new OffsetAndMetadata(8),
                examples(3), new OffsetAndMetadata(5)));
    assertThat(heard).isEmpty();
  }

  @Test
  void theCountsOfAnOvertakenVersionAreRetired() {
    arrives(0, 0, 0);
    commits.commit(claimAll(), sums(ClaimCommitTest::flush));
    producer.clear();
    overtaken.add(model.version());
    commits.commit();
    assertThat(sent(topics.countedExamples()))
        .singleElement()
        .satisfies(
            tombstone -> {
              assertThat(tombstone.partition()).isZero();
              assertThat(new String(tombstone.key(), StandardCharsets.UTF_8)).isEqualTo("m@1");
              assertThat(tombstone.value()).isNull();
            });
  }
}
