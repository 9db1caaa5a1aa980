package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Topic;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
  private final Map<String, ModelManifest> manifests = new HashMap<>();

  /**
   * A catalog that reads {@code models} from its beginning, with a consumer that has no group and
   * reads committed records.
   */
  public TopicModelCatalog(Topic<String, ModelManifest> models, Consumer<String, byte[]> consumer) {
    this.consumer = consumer;
    this.partition = new TopicPartition(models.name(), 0);
    this.deserializer = models.value().deserializer();
    consumer.assign(List.of(partition));
    consumer.seekToBeginning(List.of(partition));
  }

  @Override
  public synchronized Optional<ModelManifest> latest(String model) {
    return Optional.ofNullable(manifests.get(model));
  }

  @Override
  public synchronized void sync() {
    TopicReader.readToEnd(consumer, List.of(partition), this::accept);
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
      ModelManifest manifest = deserializer.deserialize(partition.topic(), record.value());
      if (manifest == null) {
        manifests.remove(record.key());
      } else if (isAccepted(record.key(), manifest)) {
        manifests.put(record.key(), manifest);
      }
    } catch (SerializationException e) {
      LOG.debug("{} offset {} is no manifest", partition.topic(), record.offset(), e);
    }
  }

  /** A manifest that the coordinator rejects must not replace one that it has accepted. */
  private boolean isAccepted(String key, ModelManifest manifest) {
    ModelManifest known = manifests.get(key);
    if (!manifest.getModel().equals(key)
        || (known != null && known.getVersion() > manifest.getVersion())) {
      return false;
    }
    try {
      ManifestRules.check(manifest);
      return true;
    } catch (InvalidInput e) {
      return false;
    }
  }

  @Override
  public synchronized void close() {
    consumer.close();
  }
}
