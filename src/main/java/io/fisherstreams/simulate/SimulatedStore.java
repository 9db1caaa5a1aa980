package io.fisherstreams.simulate;

import io.fisherstreams.record.serde.StateSerde;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** A state store in memory, of encoded values, that counts what its changelog would get. */
final class SimulatedStore<V extends SpecificRecordBase> implements KeyValueStore<String, V> {
  private final String name;
  private final Serde<V> serde;
  private final Traffic changelog;
  private final NavigableMap<String, byte[]> entries = new TreeMap<>();

  SimulatedStore(String name, Class<V> type, Traffic changelog) {
    this.name = name;
    this.serde = StateSerde.of(type);
    this.changelog = changelog;
  }

  private V decode(byte[] value) {
    return value == null ? null : serde.deserializer().deserialize(name, value);
  }

  @Override
  public V get(String key) {
    return decode(entries.get(key));
  }

  @Override
  public void put(String key, V value) {
    byte[] encoded = serde.serializer().serialize(name, value);
    entries.put(key, encoded);
    changelog.add(key.length() + encoded.length);
  }

  @Override
  public V putIfAbsent(String key, V value) {
    V present = get(key);
    if (present == null) {
      put(key, value);
    }
    return present;
  }

  @Override
  public void putAll(List<KeyValue<String, V>> all) {
    all.forEach(entry -> put(entry.key, entry.value));
  }

  @Override
  public V delete(String key) {
    changelog.add(key.length());
    return decode(entries.remove(key));
  }

  @Override
  public KeyValueIterator<String, V> range(String from, String to) {
    return iterate(entries.subMap(from, true, to, true));
  }

  @Override
  public KeyValueIterator<String, V> all() {
    return iterate(entries);
  }

  private KeyValueIterator<String, V> iterate(Map<String, byte[]> part) {
    Iterator<Map.Entry<String, byte[]>> iterator = part.entrySet().iterator();
    return new KeyValueIterator<>() {
      @Override
      public String peekNextKey() {
        throw new UnsupportedOperationException();
      }

      @Override
      public boolean hasNext() {
        return iterator.hasNext();
      }

      @Override
      public KeyValue<String, V> next() {
        Map.Entry<String, byte[]> entry = iterator.next();
        return KeyValue.pair(entry.getKey(), decode(entry.getValue()));
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public long approximateNumEntries() {
    return entries.size();
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public void init(StateStoreContext context, StateStore root) {}

  @Override
  public void close() {}

  @Override
  public boolean persistent() {
    return false;
  }

  @Override
  public boolean isOpen() {
    return true;
  }
}
