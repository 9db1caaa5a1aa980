package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.TensorInfo;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * The layout of a safetensors file that is to be written, equal to the reference implementation's:
 * tensors by descending alignment of their type, then by name; the header is padded with spaces so
 * that the tensors begin at a multiple of eight.
 *
 * @param header the file's first bytes: the header's length and the header
 * @param positions of each tensor's first byte in the file
 */
record SafetensorsLayout(byte[] header, Map<String, Long> positions) {
  private static final JsonFactory JSON = new JsonFactory();

  static SafetensorsLayout of(Collection<TensorInfo> tensors, Map<String, String> metadata) {
    List<TensorInfo> ordered = new ArrayList<>(tensors);
    ordered.sort(Comparator.comparing(TensorInfo::dtype).thenComparing(TensorInfo::name));
    byte[] json = json(ordered, metadata);
    int padded = Math.addExact(json.length, (8 - json.length % 8) % 8);
    if (padded > SafetensorsHeader.MAX_BYTES) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%d tensors need a header of %d bytes, safetensors allows %d: write a folder of parts",
              tensors.size(),
              padded,
              SafetensorsHeader.MAX_BYTES));
    }
    ByteBuffer header = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(padded).put(json);
    while (header.hasRemaining()) {
      header.put((byte) ' ');
    }
    Map<String, Long> positions = new LinkedHashMap<>();
    long position = header.capacity();
    for (TensorInfo tensor : ordered) {
      positions.put(tensor.name(), position);
      position = Math.addExact(position, tensor.bytes());
    }
    return new SafetensorsLayout(header.array(), positions);
  }

  private static byte[] json(List<TensorInfo> ordered, Map<String, String> metadata) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart(SafetensorsHeader.METADATA);
        // By name: an unordered map would give the same metadata different bytes in every process.
        for (Map.Entry<String, String> entry : new TreeMap<>(metadata).entrySet()) {
          requireUnicode(entry.getKey());
          requireUnicode(entry.getValue());
          json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
      }
      long offset = 0;
      for (TensorInfo tensor : ordered) {
        requireUnicode(tensor.name());
        json.writeObjectFieldStart(tensor.name());
        json.writeStringField("dtype", tensor.dtype().name());
        json.writeArrayFieldStart("shape");
        for (long size : tensor.shape()) {
          json.writeNumber(size);
        }
        json.writeEndArray();
        json.writeArrayFieldStart("data_offsets");
        json.writeNumber(offset);
        offset = Math.addExact(offset, tensor.bytes());
        json.writeNumber(offset);
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // writing to memory does not fail
    }
    return bytes.toByteArray();
  }

  private static void requireUnicode(String text) {
    if (!StrictJson.isUnicode(text)) {
      throw new InvalidInput(
          "'%s' contains half a surrogate pair and cannot be written as UTF-8"
              .formatted(shown(text)));
    }
  }
}
