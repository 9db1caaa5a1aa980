package io.fisherstreams.kafka;

import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Runbook;
import io.fisherstreams.record.Topic;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.Supplier;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;

/**
 * A stage's topology under Kafka's test driver, on bytes, with a restart that keeps the state
 * stores: the driver removes its directory when it is closed, but follows no link.
 */
public final class StageDriver implements AutoCloseable {
  private static final String APPLICATION = "stage";

  private final Supplier<Topology> topology;
  private final Path root;
  private final Map<String, TestInputTopic<byte[], byte[]>> inputs = new HashMap<>();
  private final Map<String, TestOutputTopic<byte[], byte[]>> outputs = new HashMap<>();
  private TopologyTestDriver driver;

  /** Starts a stage; each start takes a new topology. */
  public StageDriver(Path root, Supplier<Topology> topology) {
    this.topology = topology;
    this.root = root;
    start();
  }

  private void start() {
    Path directory = root.resolve("state");
    try {
      Files.createDirectories(root.resolve("kept"));
      Files.createDirectories(directory.resolve(APPLICATION));
      Files.createSymbolicLink(
          directory.resolve(APPLICATION).resolve("0_0"), root.resolve("kept").toAbsolutePath());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, APPLICATION);
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:9092");
    config.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
    driver = new TopologyTestDriver(topology.get(), config, Instant.ofEpochMilli(1_000_000));
  }

  /** Closes the stage and starts it again on its stores. */
  public void restart() {
    restart(() -> {});
  }

  /** The same, with something that happens while it is closed. */
  public void restart(Runnable meanwhile) {
    driver.close();
    meanwhile.run();
    inputs.clear();
    outputs.clear();
    start();
  }

  /** Pipes one record in. */
  public void pipe(String topic, byte[] key, byte[] value) {
    inputs
        .computeIfAbsent(
            topic,
            t -> driver.createInputTopic(t, new ByteArraySerializer(), new ByteArraySerializer()))
        .pipeInput(key, value);
  }

  /** Pipes one record in. */
  public <V> void pipe(Topic<?, V> topic, String key, V value) {
    pipe(
        topic.name(),
        key.getBytes(StandardCharsets.UTF_8),
        topic.value().serializer().serialize(topic.name(), value));
  }

  /** Lets time pass. */
  public void advance(Duration time) {
    driver.advanceWallClockTime(time);
  }

  /** The records that came out since the last call. */
  public List<TestRecord<byte[], byte[]>> read(Topic<?, ?> topic) {
    return outputs
        .computeIfAbsent(
            topic.name(),
            t ->
                driver.createOutputTopic(
                    t, new ByteArrayDeserializer(), new ByteArrayDeserializer()))
        .readRecordsToList();
  }

  /** The values that came out since the last call, tombstones left out. */
  public <V> List<V> values(Topic<?, V> topic) {
    List<V> values = new ArrayList<>();
    for (TestRecord<byte[], byte[]> record : read(topic)) {
      if (record.value() != null) {
        values.add(topic.value().deserializer().deserialize(topic.name(), record.value()));
      }
    }
    return values;
  }

  /** The reasons of the dead letters since the last call. */
  public List<String> reasons(PoolTopics topics) {
    return read(topics.deadLetters()).stream()
        .map(record -> Runbook.checkedReason(record.headers()))
        .toList();
  }

  /** The driver itself, for its stores. */
  public TopologyTestDriver driver() {
    return driver;
  }

  @Override
  public void close() {
    driver.close();
  }
}
