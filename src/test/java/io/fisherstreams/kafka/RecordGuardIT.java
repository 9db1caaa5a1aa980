package io.fisherstreams.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A stage with faults that nobody foresaw, on a broker. */
class RecordGuardIT {
  @TempDir private static Path directory;
  private static EmbeddedBroker broker;
  private static KafkaSettings kafka;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    kafka =
        new KafkaSettings(
            broker.bootstrapServers(),
            Map.of("session.timeout.ms", "1500", "heartbeat.interval.ms", "300"));
  }

  @AfterAll
  static void stop() {
    broker.close();
  }

  /** Copies records from examples to merged-tensors, and fails as their value says. */
  private record Faulty(FailedRecords failures)
      implements java.util.function.Supplier<Processor<byte[], byte[], byte[], byte[]>> {
    @Override
    public Processor<byte[], byte[], byte[], byte[]> get() {
      return new Processor<>() {
        private ProcessorContext<byte[], byte[]> context;
        private RecordGuard guard;

        @Override
        public void init(ProcessorContext<byte[], byte[]> processorContext) {
          context = processorContext;
          guard = new RecordGuard(failures, context);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
          RecordMetadata origin = context.recordMetadata().orElseThrow();
          guard.process(
              origin,
              () -> copy(record),
              (rejection, withContent) ->
                  context.forward(
                      withContent
                          ? DeadLetters.of(record, origin, Stage.MERGE, rejection)
                          : DeadLetters.withoutContent(record, origin, Stage.MERGE, rejection),
                      "dead-letters"));
        }

        private void copy(Record<byte[], byte[]> record) {
          String value = new String(record.value(), UTF_8);
          switch (value) {
            case "throws" -> throw new IllegalStateException("unforeseen");
            case "overflows" -> deep(0);
            case "sends too much" ->
                context.forward(
                    record.withValue(new byte[PoolTopics.MAX_DEAD_LETTER_BYTES + 1]), "out");
            default -> context.forward(record, "out");
          }
        }

        private int deep(int level) {
          return level < 0 ? 0 : 1 + deep(level + 1);
        }
      };
    }
  }

  private static List<ConsumerRecord<byte[], byte[]>> read(String topic, int partitions) {
    List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    try (org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer =
        kafka.newConsumer()) {
      List<TopicPartition> all = new ArrayList<>();
      for (int partition = 0; partition < partitions; partition++) {
        all.add(new TopicPartition(topic, partition));
      }
      consumer.assign(all);
      consumer.seekToBeginning(all);
      TopicReader.readToEnd(consumer, all, records::add);
    }
    return records;
  }

  @Test
  void aStageSetsAsideWhatMakesItFailAndLosesNothingElse() throws Exception {
    PoolTopics topics = new PoolTopics("guarded", SchemaRegistry.inMemory());
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(2, Optional.empty());
    }
    List<String> faults = List.of("throws", "sends too much", "overflows");
    int good = 0;
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      for (int i = 0; i < 120; i++) {
        String value = i % 40 == 20 ? faults.get(i / 40) : "good " + good++;
        producer
            .send(
                new ProducerRecord<>(topics.examples().name(), i % 2, null, value.getBytes(UTF_8)))
            .get();
      }
    }
    Path state = directory.resolve("state");
    FailedRecords failures = FailedRecords.in(state);
    RocksDbMemory memory = new RocksDbMemory(Stage.MERGE);
    ByteArrayDeserializer in = new ByteArrayDeserializer();
    ByteArraySerializer out = new ByteArraySerializer();
    Topology topology =
        new Topology()
            .addSource("in", in, in, topics.examples().name())
            .addProcessor("copy", new Faulty(failures)::get, "in")
            .addSink("out", topics.mergedTensors().name(), out, out, "copy")
            .addSink("dead-letters", topics.deadLetters().name(), out, out, "copy");
    int expected = good;
    try (StageRunner stage =
        new StageRunner(
            "merge",
            topology,
            kafka.streams(topics, Stage.MERGE, StreamsOptions.local(state, 1), memory),
            failures,
            List.of(memory))) {
      stage.start();
      await()
          .dontCatchUncaughtExceptions() // those of the threads that are replaced
          .atMost(Duration.ofMinutes(2))
          .until(
              () -> {
                stage.requireRunning(Stage.MERGE);
                return read(topics.mergedTensors().name(), 2).size() >= expected
                    && read(topics.deadLetters().name(), 1).size() >= 3;
              });
    }
    assertThat(read(topics.mergedTensors().name(), 2))
        .extracting(record -> new String(record.value(), UTF_8))
        .doesNotHaveDuplicates()
        .hasSize(expected);
    assertThat(read(topics.deadLetters().name(), 1))
        .extracting(record -> new String(record.value(), UTF_8))
        .containsExactlyInAnyOrderElementsOf(faults);
    assertThat(read(topics.deadLetters().name(), 1))
        .extracting(record -> DeadLetters.reason(record.headers()))
        .allSatisfy(reason -> assertThat(reason).startsWith("set aside after 3 failures"))
        .anySatisfy(reason -> assertThat(reason).endsWith("unforeseen"));
  }
}
