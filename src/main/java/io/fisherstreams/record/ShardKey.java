package io.fisherstreams.record;

import io.fisherstreams.tensor.Shard;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.processor.StreamPartitioner;

/**
 * Key of a record on {@code checkpoint-shards} and {@code gradient-batches}: it names one payload
 * for good, so that log compaction keeps every payload until it is retired with a tombstone.
 *
 * @param parameter the parameter's name
 * @param shard index of the shard
 * @param owner {@code model@version}, and for a gradient batch {@code source#sequence} after a
 *     space
 */
public record ShardKey(String parameter, int shard, String owner) {
  /** How the sources of the gradient stage's batches begin. */
  public static final String GRADIENT_SOURCE = "@gradient/";

  /** Key of a checkpoint shard. */
  public static ShardKey of(String model, long version, String parameter, int shard) {
    return new ShardKey(parameter, shard, new ModelVersion(model, version).toString());
  }

  /** Key of a gradient batch. */
  public static ShardKey of(
      String model, long version, String parameter, int shard, String source, long sequence) {
    return new ShardKey(
        parameter, shard, new ModelVersion(model, version) + " " + source + "#" + sequence);
  }

  /** The {@code model@version} that the text of a checkpoint shard's key names. */
  public static String modelVersion(String key) {
    return key.substring(key.lastIndexOf(' ') + 1);
  }

  /** {@code parameter[shard] owner}. */
  @Override
  public String toString() {
    return Shard.id(parameter, shard) + " " + owner;
  }

  /** The record's partition among {@code partitions}. */
  public int partition(int partitions) {
    return Shard.partition(parameter, shard, partitions);
  }

  /** Writes a key as UTF-8. */
  public static Serializer<ShardKey> serializer() {
    return (topic, key) -> key == null ? null : key.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** Sends a record to its shard's partition. */
  public static <V> StreamPartitioner<ShardKey, V> partitioner() {
    return (topic, key, value, partitions) -> Optional.of(Set.of(key.partition(partitions)));
  }
}
