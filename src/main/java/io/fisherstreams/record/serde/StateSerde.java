package io.fisherstreams.record.serde;

import io.fisherstreams.tensor.Shard;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Locale;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.avro.message.MissingSchemaException;
import org.apache.avro.message.SchemaStore;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Values of a stage's own stores, in Avro's single-object encoding. They never leave the stage, so
 * they need no registry; by the schema's fingerprint in front, values that an {@linkplain
 * EarlierSchemas earlier release} of the software wrote are read as well.
 */
public final class StateSerde {
  private static final SchemaStore EARLIER = EarlierSchemas.load();

  /** The largest value; less than a changelog's limit by the room for a key. */
  public static final int MAX_BYTES = Shard.MAX_BYTES + (496 << 10);

  private StateSerde() {}

  /** The serde of a generated record class, for values of at most {@link #MAX_BYTES}. */
  public static <T extends SpecificRecordBase> Serde<T> of(Class<T> type) {
    return of(type, MAX_BYTES);
  }

  /** The serde of a generated record class, for values of at most {@code maxBytes}. */
  public static <T extends SpecificRecordBase> Serde<T> of(Class<T> type, int maxBytes) {
    return of(type, maxBytes, EARLIER);
  }

  /**
   * The serde of a generated record class.
   *
   * @param earlier schemas of earlier releases, whose values it reads too
   */
  static <T extends SpecificRecordBase> Serde<T> of(
      Class<T> type, int maxBytes, SchemaStore earlier) {
    SpecificData data = SpecificData.getForClass(type);
    BinaryMessageEncoder<T> encoder = new BinaryMessageEncoder<>(data, data.getSchema(type));
    BinaryMessageDecoder<T> decoder =
        new BinaryMessageDecoder<>(data, data.getSchema(type), earlier);
    Serializer<T> write =
        (topic, value) -> {
          if (value == null) {
            return null;
          }
          try {
            ByteBuffer encoded = encoder.encode(value);
            byte[] bytes = new byte[encoded.remaining()];
            encoded.get(bytes);
            // Here it fails before the store and its changelog differ.
            if (bytes.length > maxBytes) {
              throw new RecordTooLargeException(
                  String.format(
                      Locale.ROOT,
                      "%s: a %s of %d bytes is over the limit of %d",
                      topic,
                      type.getSimpleName(),
                      bytes.length,
                      maxBytes));
            }
            return bytes;
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        };
    Deserializer<T> read =
        (topic, bytes) -> {
          try {
            return bytes == null ? null : decoder.decode(bytes);
          } catch (MissingSchemaException e) {
            throw new SerializationException(
                topic
                    + ": a "
                    + type.getSimpleName()
                    + " of a release of the software that this one does not know",
                e);
          } catch (IOException e) {
            throw new SerializationException(topic + ": not a " + type.getSimpleName(), e);
          }
        };
    return Serdes.serdeFrom(write, read);
  }
}
