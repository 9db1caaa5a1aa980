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
 * Key of a record on {@code checkpoint-shards} and {@code gradient-batches}. It names one payload
 * forever, so log compaction keeps every payload until a tombstone retires it.
 *
 * @param parameter the parameter's name
 * @param shard index of the shard
 * @param model whose shard it is
 * @param batch which gradient batch; empty for a checkpoint shard
 */
public record ShardKey(String parameter, int shard, ModelVersion model, Optional<BatchName> batch) {
  /** How the sources of the gradient stage's batches begin. */
  public static final String GRADIENT_SOURCE = "@gradient/";

  private static final Pattern SHARD_OF_MODEL =
      Pattern.compile("\\[(\\d+)] ([A-Za-z0-9._/+-]{1,200})@(\\d+)(?= |\\z)");

  // The name of a parameter or a source may look like the middle of a key. A name that does so more
  // often than this was made up to cost us time.
  private static final int MAX_READINGS = 16;

  /**
   * The name of a gradient batch among the batches of a shard.
   *
   * @param source who computed it
   * @param sequence its number within the source
   */
  public record BatchName(String source, long sequence) {
    /** {@code source#sequence}. */
    @Override
    public String toString() {
      return source + "#" + sequence;
    }
  }

  /** Key of a checkpoint shard. */
  public static ShardKey of(ModelVersion version, Shard shard) {
    return new ShardKey(shard.tensor().name(), shard.index(), version, Optional.empty());
  }

  /** Key of a gradient batch. */
  public static ShardKey of(ModelVersion version, Shard shard, String source, long sequence) {
    return new ShardKey(
        shard.tensor().name(),
        shard.index(),
        version,
        Optional.of(new BatchName(source, sequence)));
  }

  /** The key that a checkpoint shard must have. */
  public static ShardKey of(CheckpointShard record) {
    return new ShardKey(
        record.getParameter(),
        record.getShard(),
        new ModelVersion(record.getModel(), record.getVersion()),
        Optional.empty());
  }

  /** The key that a gradient batch must have. */
  public static ShardKey of(GradientBatch record) {
    return new ShardKey(
        record.getParameter(),
        record.getShard(),
        new ModelVersion(record.getModel(), record.getVersion()),
        Optional.of(new BatchName(record.getSource(), record.getSequence())));
  }

  /** The {@code model@version} that the text of a checkpoint shard's key names. */
  public static String modelVersion(String key) {
    return key.substring(key.lastIndexOf(' ') + 1);
  }

  /** The keys with this text: none or one; more only for unusual names. */
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
      ModelVersion version = new ModelVersion(found.group(2), Long.parseLong(found.group(3)));
      int number = text.lastIndexOf('#');
      Optional<BatchName> batch =
          number <= found.end()
              ? Optional.empty()
              : Optional.of(
                  new BatchName(
                      text.substring(found.end() + 1, number),
                      Long.parseLong(text.substring(number + 1))));
      return Optional.of(new ShardKey(parameter, shard, version, batch));
    } catch (NumberFormatException e) {
      return Optional.empty(); // more digits than any number of ours
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
