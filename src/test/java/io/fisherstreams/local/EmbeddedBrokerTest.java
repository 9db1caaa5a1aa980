package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedBrokerTest {
  private static final int LIMIT = 3 << 20;

  @TempDir static Path directory;
  private static EmbeddedBroker broker;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory.resolve("shared"), 0, LIMIT);
  }

  @AfterAll
  static void stop() {
    broker.close();
  }

  @Test
  void carriesRecordsUpToItsLimitAndRefusesLargerOnes() throws Exception {
    createTopic(broker, "limit");
    byte[] value = new byte[LIMIT - 1000];
    new Random(7).nextBytes(value);
    try (Producer<byte[], byte[]> producer = producer(broker, Map.of())) {
      producer.send(new ProducerRecord<>("limit", value)).get();

      byte[] tooLarge = new byte[LIMIT + 1];
      assertThatThrownBy(() -> producer.send(new ProducerRecord<>("limit", tooLarge)).get())
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(RecordTooLargeException.class);
    }
    assertThat(readAll(broker, "limit")).containsExactly(value);
  }

  @Test
  void commitsTransactionsAndHidesAbortedOnes() throws Exception {
    createTopic(broker, "transactions");
    try (Producer<byte[], byte[]> producer =
        producer(broker, Map.of("transactional.id", "writer"))) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("transactions", new byte[] {1})).get();
      producer.abortTransaction();
      producer.beginTransaction();
      Future<RecordMetadata> unused =
          producer.send(new ProducerRecord<>("transactions", new byte[] {2}));
      producer.commitTransaction();
    }
    assertThat(readAll(broker, "transactions")).containsExactly(new byte[] {2});
  }

  @Test
  void makesNoTopicThatNobodyCreated() {
    try (Producer<byte[], byte[]> producer = producer(broker, Map.of("max.block.ms", "500"))) {
      assertThatThrownBy(
              () -> producer.send(new ProducerRecord<>("misspelt", new byte[] {1})).get())
          .hasMessageContaining("misspelt");
    }
    try (Admin admin = admin(broker)) {
      assertThatThrownBy(() -> admin.describeTopics(List.of("misspelt")).allTopicNames().get())
          .hasCauseInstanceOf(UnknownTopicOrPartitionException.class);
    }
  }

  @Test
  void reopenedDirectoryKeepsItsRecordsAndClusterId() throws Exception {
    Path again = directory.resolve("again");
    String clusterId;
    try (EmbeddedBroker first = EmbeddedBroker.start(again)) {
      clusterId = first.clusterId();
      createTopic(first, "kept");
      try (Producer<byte[], byte[]> producer = producer(first, Map.of())) {
        producer.send(new ProducerRecord<>("kept", new byte[] {1, 2, 3})).get();
      }
    }
    try (EmbeddedBroker second = EmbeddedBroker.start(again);
        Admin admin = admin(second)) {
      assertThat(admin.describeCluster().clusterId().get())
          .isEqualTo(clusterId)
          .isEqualTo(second.clusterId());
      assertThat(readAll(second, "kept")).containsExactly(new byte[] {1, 2, 3});
    }
  }

  @Test
  void writesIntoItsKafkaFolderOnly() throws Exception {
    try (var entries = Files.list(directory.resolve("shared"))) {
      assertThat(entries).containsExactly(directory.resolve("shared").resolve("kafka"));
    }
  }

  @Test
  void refusesADirectoryInUse() {
    assertThatThrownBy(() -> EmbeddedBroker.start(directory.resolve("shared")))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("another broker is running in " + directory.resolve("shared"));
  }

  @Test
  void refusesATakenPortAndLeavesTheDirectoryFree() throws Exception {
    Path free = directory.resolve("free");
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      assertThatThrownBy(() -> EmbeddedBroker.start(free, taken.getLocalPort()))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("port " + taken.getLocalPort());
    }
    int port;
    try (ServerSocket other = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      port = other.getLocalPort();
    }
    EmbeddedBroker onPort = EmbeddedBroker.start(free, port);
    onPort.close();
    assertThat(onPort.bootstrapServers()).isEqualTo("127.0.0.1:" + port);
    onPort.close();
  }

  @Test
  void refusesADirectoryThatIsAFile() throws Exception {
    Path file = Files.writeString(directory.resolve("file"), "text");
    assertThatThrownBy(() -> EmbeddedBroker.start(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(file.toString());
  }

  @Test
  void tellsOfAFailureInsteadOfEndingTheProcess() {
    try (EmbeddedBroker failing = EmbeddedBroker.start(directory.resolve("failing"))) {
      assertThat(failing.failure().toCompletableFuture()).isNotDone();
      assertThatThrownBy(() -> Exit.halt(1, "all log directories have failed"))
          .isInstanceOf(IllegalStateException.class);
      assertThat(failing.failure().toCompletableFuture())
          .isCompletedExceptionally()
          .failsWithin(Duration.ZERO)
          .withThrowableOfType(ExecutionException.class)
          .withMessageContaining("all log directories have failed");
    }
  }

  private static void createTopic(EmbeddedBroker broker, String topic) throws Exception {
    try (Admin admin = admin(broker)) {
      admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
    }
  }

  private static Admin admin(EmbeddedBroker broker) {
    return Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()));
  }

  private static Producer<byte[], byte[]> producer(
      EmbeddedBroker broker, Map<String, String> more) {
    Map<String, Object> config = new HashMap<>(more);
    config.put("bootstrap.servers", broker.bootstrapServers());
    config.put("acks", "all");
    config.put("max.request.size", 2 * LIMIT);
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private static List<byte[]> readAll(EmbeddedBroker broker, String topic) {
    TopicPartition partition = new TopicPartition(topic, 0);
    try (Consumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(
            Map.of(
                "bootstrap.servers",
                broker.bootstrapServers(),
                "isolation.level",
                "read_committed",
                "auto.offset.reset",
                "earliest"),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer())) {
      consumer.assign(List.of(partition));
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      List<byte[]> values = new ArrayList<>();
      while (consumer.position(partition) < end) {
        consumer.poll(Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
      }
      return values;
    }
  }
}
