package io.fisherstreams.record;

import java.util.Map;
import org.apache.kafka.common.serialization.Serde;

/**
 * One topic of a pool.
 *
 * @param name full name, the pool's prefix included
 * @param key serde of its keys
 * @param value serde of its values
 * @param sharded whether it has the pool's number of partitions; otherwise it has one
 * @param config topic configuration it is created with and checked against
 */
public record Topic<K, V>(
    String name, Serde<K> key, Serde<V> value, boolean sharded, Map<String, String> config) {
  public Topic {
    config = Map.copyOf(config);
  }
}
