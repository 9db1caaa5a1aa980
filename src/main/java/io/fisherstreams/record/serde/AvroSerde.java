package io.fisherstreams.record.serde;

import java.io.IOException;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.io.DatumReader;
import org.apache.avro.io.DatumWriter;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Avro in the registry's wire format: a byte 0, the schema's id in four bytes big-endian, Avro
 * binary; null stays null. Schemas are registered under {@code <topic>-value}. A value over the
 * limit is rejected here, before anything depends on it. Thread-safe.
 */
public final class AvroSerde<T extends SpecificRecord> implements Serde<T> {
  private static final byte MAGIC = 0;
  private static final int HEADER = 1 + Integer.BYTES;

  private final SchemaRegistry registry;
  private final Schema schema;
  private final SpecificData data;
  private final int maxBytes;
  private final Map<String, Integer> ids = new ConcurrentHashMap<>();
  private final Map<Integer, DatumReader<T>> readers = new ConcurrentHashMap<>();

  private AvroSerde(SchemaRegistry registry, Class<T> type, int maxBytes) {
    this.registry = registry;
    this.data = SpecificData.getForClass(type);
    this.schema = data.getSchema(type);
    this.maxBytes = maxBytes;
  }

  /**
   * The serde of a generated record class.
   *
   * @param maxBytes the largest encoded value
   */
  public static <T extends SpecificRecord> AvroSerde<T> of(
      SchemaRegistry registry, Class<T> type, int maxBytes) {
    return new AvroSerde<>(registry, type, maxBytes);
  }

  @Override
  public Serializer<T> serializer() {
    return (topic, value) -> value == null ? null : write(topic, value);
  }

  @Override
  public Deserializer<T> deserializer() {
    return (topic, bytes) -> bytes == null ? null : read(topic, bytes);
  }

  /** The subject of a topic's values in the schema registry. */
  public static String subject(String topic) {
    return topic + "-value";
  }

  private byte[] write(String topic, T value) {
    int id = ids.computeIfAbsent(topic, t -> registry.register(subject(t), schema));
    @SuppressWarnings("unchecked")
    DatumWriter<T> writer = (DatumWriter<T>) data.createDatumWriter(schema);
    try {
      SizingEncoder size = new SizingEncoder();
      writer.write(value, size);
      if (HEADER + size.bytes() > maxBytes) {
        throw new RecordTooLargeException(
            topic
                + ": a "
                + schema.getName()
                + " of "
                + (HEADER + size.bytes())
                + " bytes is over the limit of "
                + maxBytes);
      }
      byte[] bytes = new byte[(int) (HEADER + size.bytes())];
      ByteBuffer target = ByteBuffer.wrap(bytes).put(MAGIC).putInt(id);
      writer.write(value, new ArrayEncoder(target));
      return bytes;
    } catch (IOException | AvroRuntimeException | BufferOverflowException e) {
      throw new SerializationException(topic + ": cannot write a " + schema.getName(), e);
    }
  }

  private T read(String topic, byte[] bytes) {
    if (bytes.length < HEADER || bytes[0] != MAGIC) {
      throw new SerializationException(
          topic + ": not a record in the schema registry's wire format");
    }
    int id = ByteBuffer.wrap(bytes).getInt(1);
    DatumReader<T> reader = readers.computeIfAbsent(id, this::reader);
    ArrayDecoder decoder = new ArrayDecoder(bytes, HEADER);
    try {
      T value = reader.read(null, decoder);
      if (!decoder.isEnd()) {
        throw new SerializationException(
            topic + ": bytes after the end of the " + schema.getName());
      }
      return value;
    } catch (SerializationException e) {
      throw e;
    } catch (IOException | RuntimeException | StackOverflowError e) {
      // Avro throws many types on garbage; the sender needs one
      throw new SerializationException(
          topic + ": not a " + schema.getName() + ": " + e.getMessage(), e);
    }
  }

  @SuppressWarnings("unchecked")
  private DatumReader<T> reader(int id) {
    Schema writer = registry.byId(id);
    if (!writer.getFullName().equals(schema.getFullName())) {
      throw new SerializationException(
          "schema "
              + id
              + " is a "
              + writer.getFullName()
              + ", expected a "
              + schema.getFullName());
    }
    try {
      WriterSchema.check(writer);
    } catch (SerializationException e) {
      throw new SerializationException("schema " + id + ": " + e.getMessage());
    }
    return (DatumReader<T>) data.createDatumReader(writer, schema);
  }
}
