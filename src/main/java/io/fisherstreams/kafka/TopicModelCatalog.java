package io.fisherstreams.kafka;

import io.fisherstreams.record.AcceptedManifests;
import io.fisherstreams.record.Correction;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Topic;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The catalog on a consumer of topic {@code models}, which it owns and closes. Thread-safe: the
 * stage's tasks share it.
 */
public final class TopicModelCatalog implements ModelCatalog, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TopicModelCatalog.class);

  private final Consumer<String, byte[]> consumer;
  private final TopicPartition partition;
  private final Deserializer<ModelManifest> deserializer;
  private final AcceptedManifests manifests = new AcceptedManifests(System::currentTimeMillis);
  private final Consumer<?, ?> watermarks;

  /** A catalog that reads {@code models} from its beginning. */
  public static TopicModelCatalog open(KafkaSettings kafka, Topic<String, ModelManifest> models) {
    return new TopicModelCatalog(models, kafka.newTextKeyReader(), kafka.newDefaultConsumer());
  }

  /**
   * A catalog that reads {@code models} from its beginning.
   *
   * @param consumer has no group and reads committed records
   * @param watermarks finds the topic's end with open transactions included: a manifest that was
   *     acknowledged during a transaction of the coordinator lies behind its first record
   */
  TopicModelCatalog(
      Topic<String, ModelManifest> models,
      Consumer<String, byte[]> consumer,
      Consumer<?, ?> watermarks) {
    this.consumer = consumer;
    this.watermarks = watermarks;
    this.partition = new TopicPartition(models.name(), 0);
    this.deserializer = models.value().deserializer();
    consumer.assign(List.of(partition));
    consumer.seekToBeginning(List.of(partition));
  }

  @Override
  public synchronized Optional<ModelManifest> latest(String model) {
    return manifests.find(model);
  }

  /** The base model's manifest as last read. */
  public synchronized Optional<ModelManifest> base() {
    return manifests.base();
  }

  /** The names of all models as last read. */
  public synchronized Set<String> names() {
    return Set.copyOf(manifests.all().keySet());
  }

  @Override
  public synchronized void sync() {
    TopicReader.readTo(
        consumer,
        watermarks.endOffsets(List.of(partition)),
        () -> false,
        records -> records.forEach(this::accept));
  }

  @Override
  public synchronized void refresh() {
    consumer.poll(Duration.ZERO).forEach(this::accept);
  }

  private void accept(ConsumerRecord<String, byte[]> record) {
    if (record.key() == null) {
      return; // the coordinator dead-letters it
    }
    try {
      manifests.add(
          record.key(),
          deserializer.deserialize(partition.topic(), record.value()),
          record.offset(),
          Correction.corrected(record.headers()));
    } catch (SerializationException e) {
      LOG.debug("{} offset {} is no manifest", partition.topic(), record.offset(), e);
    }
  }

  @Override
  public synchronized void close() {
    consumer.close();
    watermarks.close();
  }
}
