package io.fisherstreams.record;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.IndexedRecord;

/**
 * An Avro record as JSON that people can read: it shows the first bytes and the first elements of
 * what is long.
 */
public final class RecordJson {
  private static final int MAX_BYTES = 64;
  private static final int MAX_ELEMENTS = 100;

  private RecordJson() {}

  /** Writes a record as an object, with the names of its schema. */
  public static void write(JsonGenerator json, IndexedRecord record) throws IOException {
    json.writeStartObject();
    for (Schema.Field field : record.getSchema().getFields()) {
      json.writeFieldName(field.name());
      writeValue(json, record.get(field.pos()));
    }
    json.writeEndObject();
  }

  /** Writes bytes as an object: how many there are, and the first in hex. */
  public static void write(JsonGenerator json, byte[] bytes) throws IOException {
    write(json, ByteBuffer.wrap(bytes));
  }

  private static void write(JsonGenerator json, ByteBuffer bytes) throws IOException {
    byte[] first = new byte[Math.min(MAX_BYTES, bytes.remaining())];
    bytes.duplicate().get(first);
    json.writeStartObject();
    json.writeNumberField("bytes", bytes.remaining());
    json.writeStringField(
        first.length < bytes.remaining() ? "first_in_hex" : "hex", HexFormat.of().formatHex(first));
    json.writeEndObject();
  }

  private static void writeValue(JsonGenerator json, Object value) throws IOException {
    if (value == null) {
      json.writeNull();
    } else if (value instanceof IndexedRecord record) {
      write(json, record);
    } else if (value instanceof ByteBuffer bytes) {
      write(json, bytes);
    } else if (value instanceof Collection<?> elements) {
      writeArray(json, elements);
    } else if (value instanceof Map<?, ?> entries) {
      json.writeStartObject();
      for (Map.Entry<?, ?> entry : entries.entrySet()) {
        json.writeFieldName(String.valueOf(entry.getKey()));
        writeValue(json, entry.getValue());
      }
      json.writeEndObject();
    } else if (value instanceof Boolean truth) {
      json.writeBoolean(truth);
    } else if (value instanceof Integer || value instanceof Long) {
      json.writeNumber(((Number) value).longValue());
    } else if (value instanceof Number number && Double.isFinite(number.doubleValue())) {
      json.writeNumber(value.toString());
    } else {
      json.writeString(value.toString());
    }
  }

  private static void writeArray(JsonGenerator json, Collection<?> elements) throws IOException {
    json.writeStartArray();
    int written = 0;
    for (Object element : elements) {
      if (written++ == MAX_ELEMENTS) {
        json.writeString("... and " + (elements.size() - MAX_ELEMENTS) + " more");
        break;
      }
      writeValue(json, element);
    }
    json.writeEndArray();
  }
}
