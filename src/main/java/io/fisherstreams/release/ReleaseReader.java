package io.fisherstreams.release;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseDigest;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.TopicSlice;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads releases from their topics. */
public final class ReleaseReader {
  private static final Logger LOG = LoggerFactory.getLogger(ReleaseReader.class);

  private final KafkaSettings kafka;
  private final PoolTopics topics;

  /** Reads one pool's releases. */
  public ReleaseReader(KafkaSettings kafka, PoolTopics topics) {
    this.kafka = kafka;
    this.topics = topics;
  }

  /** All releases that the topic holds, by id ascending. */
  public List<Release> all() {
    List<Release> releases = new ArrayList<>();
    try (ReleaseFeed feed = new ReleaseFeed(kafka, topics)) {
      feed.upToDate().forEach((id, release) -> releases.add(release));
    }
    return releases;
  }

  /**
   * Hands over every record of a complete release once, in any order, after checking it.
   *
   * @throws InvalidInput when the release has no tensors, or fewer than it lists
   */
  public void read(Release release, Consumer<MergedTensor> consumer) {
    if (release.getStatus() == ReleaseStatus.ABANDONED) {
      throw new InvalidInput(
          "release " + release.getRelease() + " was abandoned: " + release.getReason());
    }
    if (release.getStatus() == ReleaseStatus.REJECTED && release.getSlices().isEmpty()) {
      throw new InvalidInput(
          "release " + release.getRelease() + " has no tensors: " + release.getReason());
    }
    Map<TopicPartition, Long> ends = new HashMap<>();
    try (org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> kafkaConsumer =
        kafka.newConsumer()) {
      for (TopicSlice slice : release.getSlices()) {
        if (slice.getEndOffset() > slice.getFirstOffset()) {
          ends.put(partition(slice), slice.getEndOffset());
        }
      }
      kafkaConsumer.assign(ends.keySet());
      for (TopicSlice slice : release.getSlices()) {
        if (ends.containsKey(partition(slice))) {
          kafkaConsumer.seek(partition(slice), slice.getFirstOffset());
        }
      }
      requireKept(release, kafkaConsumer.beginningOffsets(ends.keySet()));
      Found total = new Found();
      TopicReader.readTo(
          kafkaConsumer,
          ends,
          () -> false,
          records -> {
            for (ConsumerRecord<byte[], byte[]> record : records) {
              MergedTensor tensor = tensor(record);
              if (tensor != null && tensor.getRelease() == release.getRelease()) {
                check(tensor);
                total.add(tensor);
                consumer.accept(tensor);
              }
            }
          });
      String found = String.format(Locale.ROOT, "%016x", total.checksum);
      if (total.shards != release.getShards() || !found.equals(release.getChecksum())) {
        throw new InvalidInput(
            "release "
                + release.getRelease()
                + " should have "
                + release.getShards()
                + " shards with checksum "
                + release.getChecksum()
                + "; the topic has "
                + total.shards
                + " with "
                + found);
      }
    }
  }

  /** The shards of a release that were read. */
  private static final class Found {
    private long shards;
    private long checksum;

    void add(MergedTensor tensor) {
      shards++;
      checksum += ReleaseDigest.of(tensor.getParameter(), tensor.getShard(), tensor.getCrc32c());
    }
  }

  private TopicPartition partition(TopicSlice slice) {
    return new TopicPartition(topics.mergedTensors().name(), slice.getPartition());
  }

  private void requireKept(Release release, Map<TopicPartition, Long> beginnings) {
    for (TopicSlice slice : release.getSlices()) {
      Long beginning = beginnings.get(partition(slice));
      if (beginning != null && beginning > slice.getFirstOffset()) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "the tensors of release %d are no longer kept (coordinator.keep_releases)",
                release.getRelease()));
      }
    }
  }

  /**
   * The tensors of a release, in the order of their names. Where the pool's base is still the one
   * that it was made with, the base's manifest lists them; else the release is read for them.
   *
   * @param base the pool's base, if it has one
   * @throws InvalidInput as {@link #read} does
   */
  public List<TensorInfo> tensors(Release release, Optional<ModelManifest> base) {
    MergePlan plan = release.getPlan();
    Optional<ModelManifest> its =
        base.filter(
            manifest ->
                manifest.getModel().equals(plan.getBaseModel())
                    && manifest.getVersion() == plan.getBaseVersion());
    if (its.isPresent()) {
      return its.get().getParameters().stream()
          .map(parameter -> ReleaseTensors.of(parameter, plan.getMethod()))
          .toList();
    }
    Map<String, TensorInfo> tensors = new TreeMap<>();
    read(release, shard -> tensors.put(shard.getParameter(), tensor(shard)));
    return List.copyOf(tensors.values());
  }

  /** A record's value; null when it cannot be read. */
  private MergedTensor tensor(ConsumerRecord<byte[], byte[]> record) {
    try {
      return topics
          .mergedTensors()
          .value()
          .deserializer()
          .deserialize(record.topic(), record.value());
    } catch (SerializationException e) {
      // the shard count below rejects a release with a missing record
      LOG.warn("{} offset {} is no tensor: {}", record.topic(), record.offset(), e.getMessage());
      return null;
    }
  }

  private static void check(MergedTensor tensor) {
    CRC32C crc = new CRC32C();
    crc.update(tensor.getData().duplicate());
    if ((int) crc.getValue() != tensor.getCrc32c()) {
      throw new InvalidInput(
          "release "
              + tensor.getRelease()
              + ": "
              + tensor.getParameter()
              + "["
              + tensor.getShard()
              + "] does not match its checksum");
    }
  }

  /** A merged shard's tensor. */
  public static TensorInfo tensor(MergedTensor tensor) {
    return new TensorInfo(
        tensor.getParameter(), DType.of(tensor.getDtype()).orElseThrow(), tensor.getShape());
  }
}
