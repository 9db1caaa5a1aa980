package io.fisherstreams.faults;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.fisherstreams.record.Topic;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.SerializationException;

/**
 * Random changes of a pool's own records. On topics that only stages may write, a record that still
 * decodes is a forgery that nobody can tell from the stage's own; so those must not decode.
 */
final class Mutations {
  private final HostilePool pool;
  private final Random random;
  private final List<Topic<?, ?>> topics;
  private final Set<String> owned;
  private final Map<String, List<ConsumerRecord<byte[], byte[]>>> known = new HashMap<>();
  private final Map<String, Integer> counts = new TreeMap<>();

  Mutations(HostilePool pool, long seed) {
    this.pool = pool;
    random = new Random(seed);
    topics = new ArrayList<>(pool.topics().all());
    owned =
        Set.of(
            pool.topics().countedExamples().name(),
            pool.topics().mergePlans().name(),
            pool.topics().progress().name(),
            pool.topics().mergedTensors().name(),
            pool.topics().releases().name(),
            pool.topics().aliases().name());
  }

  Map<String, Integer> counts() {
    return counts;
  }

  /** The next record. */
  ProducerRecord<byte[], byte[]> next() {
    while (true) {
      Topic<?, ?> topic = topics.get(random.nextInt(topics.size()));
      byte[] value = value(topic);
      byte[] key = key(topic);
      if (owned.contains(topic.name()) && decodes(topic, value)) {
        continue;
      }
      int partition = topic.sharded() ? random.nextInt(HostilePool.PARTITIONS) : 0;
      long time = random.nextInt(4) == 0 ? -1 : random.nextInt(4) == 0 ? 1 : 1L << 41;
      ProducerRecord<byte[], byte[]> record =
          HostilePool.at(time == 1L << 41 ? 0 : time, topic.name(), partition, key, value);
      for (int i = random.nextInt(4); i > 0; i--) {
        record.headers().add("h" + i, random.nextBoolean() ? null : bytes(random.nextInt(50)));
      }
      counts.merge(topic.name(), 1, Integer::sum);
      return record;
    }
  }

  private static boolean decodes(Topic<?, ?> topic, byte[] value) {
    try {
      topic.value().deserializer().deserialize(topic.name(), value);
      return true;
    } catch (SerializationException e) {
      return false;
    }
  }

  /** Records of a topic, or of any topic where it has none. */
  private ConsumerRecord<byte[], byte[]> original(Topic<?, ?> topic) {
    Topic<?, ?> from = random.nextInt(10) == 0 ? topics.get(random.nextInt(topics.size())) : topic;
    List<ConsumerRecord<byte[], byte[]>> records =
        known.computeIfAbsent(from.name(), name -> pool.records(from));
    if (records.isEmpty()) {
      records = known.computeIfAbsent("models", name -> pool.records(pool.topics().models()));
    }
    return records.get(random.nextInt(records.size()));
  }

  private byte[] key(Topic<?, ?> topic) {
    byte[] key = original(topic).key();
    return switch (random.nextInt(8)) {
      case 0 -> null;
      case 1 -> bytes(random.nextInt(40));
      case 2 -> flip(key);
      case 3 -> ("w[" + random.nextInt() + "] a@" + random.nextLong()).getBytes(UTF_8);
      default -> key;
    };
  }

  private byte[] value(Topic<?, ?> topic) {
    byte[] value = original(topic).value();
    if (value == null) {
      return random.nextInt(10) == 0 ? null : bytes(20);
    }
    return switch (random.nextInt(9)) {
      case 0 -> bytes(random.nextInt(200));
      case 1 -> Arrays.copyOf(value, random.nextInt(value.length + 1));
      case 2 -> Arrays.copyOf(value, value.length + 1 + random.nextInt(30));
      case 3 -> schemaId(value);
      case 4 -> {
        if (random.nextInt(10) == 0) {
          yield null;
        }
        yield flip(value);
      }
      case 5 -> flip(flip(flip(value)));
      case 6 -> run(value);
      default -> flip(value);
    };
  }

  private byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  private byte[] flip(byte[] bytes) {
    if (bytes == null || bytes.length == 0) {
      return bytes;
    }
    byte[] flipped = bytes.clone();
    flipped[random.nextInt(flipped.length)] ^= (byte) (1 << random.nextInt(8));
    return flipped;
  }

  private byte[] schemaId(byte[] value) {
    byte[] other = value.clone();
    if (other.length > 4) {
      other[4] = (byte) random.nextInt(20);
    }
    return other;
  }

  /** A run of one byte, as in the length of a text or a list. */
  private byte[] run(byte[] value) {
    byte[] changed = value.clone();
    int from = random.nextInt(changed.length);
    Arrays.fill(changed, from, Math.min(changed.length, from + 1 + random.nextInt(9)), (byte) -1);
    return changed;
  }
}
