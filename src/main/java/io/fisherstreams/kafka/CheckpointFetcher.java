package io.fisherstreams.kafka;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;

/**
 * Copies a model version's tensors from topic {@code checkpoint-shards} into one local file. It
 * does not read records of other models again: it remembers between which offsets of each partition
 * a version's shards are. For one thread.
 */
public final class CheckpointFetcher {
  private final PoolTopics topics;
  private final Supplier<Consumer<String, byte[]>> consumers;
  private final List<TopicPartition> partitions;
  private final Map<TopicPartition, Long> read = new HashMap<>();
  private final Map<String, Map<TopicPartition, Range>> ranges = new HashMap<>();

  /** From the first to the last offset of a version's records in a partition. */
  private record Range(long first, long last) {
    Range with(Range other) {
      return new Range(Math.min(first, other.first), Math.max(last, other.last));
    }
  }

  /**
   * Gets its consumers (no group, committed records only) from the supplier and closes them.
   *
   * @param partitions of the topic
   */
  public CheckpointFetcher(
      PoolTopics topics, Supplier<Consumer<String, byte[]>> consumers, int partitions) {
    this.topics = topics;
    this.consumers = consumers;
    this.partitions =
        IntStream.range(0, partitions)
            .mapToObj(p -> new TopicPartition(topics.checkpointShards().name(), p))
            .toList();
  }

  /**
   * Reads a version's shards up to the present end of the topic. Records whose keys name other
   * models are skipped.
   *
   * @param names which of its parameters are wanted
   * @param file for the tensors, a safetensors file that appears when they are complete
   * @param cancelled asked between reads
   * @return whether all shards are there
   */
  public boolean fetch(
      ModelManifest manifest, Predicate<String> names, Path file, BooleanSupplier cancelled) {
    Map<String, Shard> wanted = new HashMap<>();
    List<TensorInfo> tensors =
        ManifestTensors.all(manifest).stream().filter(tensor -> names.test(tensor.name())).toList();
    for (TensorInfo tensor : tensors) {
      for (int index = 0; index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        ModelVersion version = new ModelVersion(manifest.getModel(), manifest.getVersion());
        wanted.put(ShardKey.of(version, shard).toString(), shard);
      }
    }
    Set<String> found = new HashSet<>();
    String owner = new ModelVersion(manifest.getModel(), manifest.getVersion()).toString();
    try (CheckpointWriter writer = CheckpointWriter.file(file, tensors, Map.of());
        Consumer<String, byte[]> consumer = consumers.get()) {
      consumer.assign(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      Map<TopicPartition, Range> known = Map.copyOf(ranges.getOrDefault(owner, Map.of()));
      for (TopicPartition partition : partitions) {
        Range range = known.get(partition);
        consumer.seek(partition, range == null ? read(partition) : range.first);
      }
      TopicReader.readTo(
          consumer,
          ends,
          cancelled,
          records -> {
            for (ConsumerRecord<String, byte[]> record : records) {
              Shard shard = record.key() == null ? null : wanted.get(record.key());
              if (shard != null && record.value() == null) {
                found.remove(record.key());
              } else if (shard != null && take(writer, shard, record.value())) {
                found.add(record.key());
              }
              remember(record);
            }
            for (TopicPartition partition : partitions) {
              long position = consumer.position(partition);
              Range range = known.get(partition);
              if (position >= read(partition)) {
                read.put(partition, position);
              } else if (range == null || position > range.last) {
                consumer.seek(partition, read(partition));
              }
            }
          });
      if (found.size() < wanted.size()) {
        return false;
      }
      writer.commit();
      return true;
    }
  }

  private long read(TopicPartition partition) {
    return read.getOrDefault(partition, 0L);
  }

  private void remember(ConsumerRecord<String, byte[]> record) {
    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
    if (record.key() == null || record.offset() < read(partition)) {
      return;
    }
    // A tombstone counts as its version's record: if the merge stage did not send it, that stage
    // sends the shard again behind it.
    ranges
        .computeIfAbsent(ShardKey.modelVersion(record.key()), owner -> new HashMap<>())
        .merge(partition, new Range(record.offset(), record.offset()), Range::with);
  }

  /** The newest record of a key is used: after rejected content the accepted one is sent again. */
  private boolean take(CheckpointWriter writer, Shard shard, byte[] value) {
    try {
      CheckpointShard record =
          topics
              .checkpointShards()
              .value()
              .deserializer()
              .deserialize(topics.checkpointShards().name(), value);
      if (record == null || record.getData().remaining() != shard.bytes()) {
        return false;
      }
      writer.write(shard.tensor().name(), shard.firstElement(), record.getData());
      return true;
    } catch (SerializationException e) {
      return false; // the merge stage dead-letters it
    }
  }
}
