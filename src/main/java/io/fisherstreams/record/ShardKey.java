package io.fisherstreams.record;

import io.fisherstreams.tensor.Shard;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.processor.StreamPartitioner;

/**
 * Key of a record on {@code checkpoint-shards} and {@code gradient-batches}: it names one payload
 * for good, so that log compaction keeps every payload until it is retired with a tombstone.
 *
 * @param parameter the parameter's name
 * @param shard index of the shard
 * @param model whose shard it is
 * @param batch which gradient batch; empty for a checkpoint shard
 */
public record ShardKey(String parameter, int shard, ModelVersion model, Optional<Batch> batch) {
  /** How the sources of the gradient stage's batches begin. */
  public static final String GRADIENT_SOURCE = "@gradient/";

  private static final Pattern SHARD_OF_MODEL =
      Pattern.compile("\\[(\\d+)] ([A-Za-z0-9._/+-]{1,200})@(\\d+)(?= |\\z)");

  // A parameter's or source's name may look like the middle of a key; more often than this, it is
  // made up to keep the reader busy.
  private static final int MAX_READINGS = 16;

  /**
   * What names a gradient batch among those of a shard.
   *
   * @param source who computed it
   * @param sequence its number within the source
   */
  public record Batch(String source, long sequence) {
    /** {@code source#sequence}. */
    @Override
    public String toString() {
      return source + "#" + sequence;
    }
  }

  /** Key of a checkpoint shard. */
  public static ShardKey of(String model, long version, String parameter, int shard) {
    return new ShardKey(parameter, shard, new ModelVersion(model, version), Optional.empty());
  }

  /** Key of a gradient batch. */
  public static ShardKey of(
      String model, long version, String parameter, int shard, String source, long sequence) {
    return new ShardKey(
        parameter,
        shard,
        new ModelVersion(model, version),
        Optional.of(new Batch(source, sequence)));
  }

  /** The {@code model@version} that the text of a checkpoint shard's key names. */
  public static String modelVersion(String key) {
    return key.substring(key.lastIndexOf(' ') + 1);
  }

  /** The keys that are written like this: none, or, but for odd names, one. */
  public static Stream<ShardKey> readings(String text) {
    return SHARD_OF_MODEL
        .matcher(text)
        .results()
        .limit(MAX_READINGS)
        .flatMap(found -> reading(text, found).stream())
        .filter(key -> key.toString().equals(text));
  }

  private static Optional<ShardKey> reading(String text, MatchResult found) {
    String parameter = text.substring(0, found.start());
    try {
      int shard = Integer.parseInt(found.group(1));
      String model = found.group(2);
      long version = Long.parseLong(found.group(3));
      int number = text.lastIndexOf('#');
      return Optional.of(
          number <= found.end()
              ? of(model, version, parameter, shard)
              : of(
                  model,
                  version,
                  parameter,
                  shard,
                  text.substring(found.end() + 1, number),
                  Long.parseLong(text.substring(number + 1))));
    } catch (NumberFormatException e) {
      return Optional.empty(); // longer than any number of ours
    }
  }

  /** {@code parameter[shard] model@version}, then for a gradient batch {@code source#sequence}. */
  @Override
  public String toString() {
    return Shard.id(parameter, shard) + " " + model + batch.map(named -> " " + named).orElse("");
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
