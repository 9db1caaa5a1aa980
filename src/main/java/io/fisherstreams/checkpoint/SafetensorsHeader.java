package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import com.google.common.io.ByteStreams;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The header of a safetensors file, checked against the format's definition and the file's size:
 * eight bytes with the header's length, a JSON object of tensors, then the tensors' bytes without a
 * gap, an overlap or a rest. Written by hand because no library rejects everything that the format
 * forbids.
 *
 * @param tensors every tensor by name
 * @param metadata the free texts under {@code __metadata__}
 */
record SafetensorsHeader(SortedMap<String, Tensor> tensors, Map<String, String> metadata) {
  /** The reference implementation's limit, in bytes. */
  static final int MAX_BYTES = 100_000_000;

  static final String METADATA = "__metadata__";

  // Far more than the 64 dimensions of NumPy and PyTorch. Without a limit, a header of 100 MB could
  // need half a gigabyte of sizes.
  private static final int MAX_DIMENSIONS = 256;

  /**
   * A tensor and the position of its bytes.
   *
   * @param info its name, type and shape
   * @param position of its first byte in the file
   */
  record Tensor(TensorInfo info, long position) {}

  private record Offsets(long begin, long end) {}

  /**
   * Reads and checks the header of an open file.
   *
   * @throws InvalidInput for everything that the format does not allow
   */
  static SafetensorsHeader read(Path file, FileChannel channel) throws IOException {
    long size = channel.size();
    ByteBuffer start = ByteBuffer.allocate(9).order(ByteOrder.LITTLE_ENDIAN);
    while (start.hasRemaining() && channel.read(start, start.position()) >= 0) {}
    if (start.position() < 8) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s is no safetensors file: it has %d bytes, and the header's length alone takes 8",
              file,
              size));
    }
    long length = start.getLong(0);
    if (length < 0 || length > MAX_BYTES) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s is no safetensors file, or damaged: a header of %s bytes, at most %d are allowed",
              file,
              Long.toUnsignedString(length),
              MAX_BYTES));
    }
    if (8 + length > size) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s is truncated or no safetensors file: a header of %d bytes, but only %d bytes follow",
              file,
              length,
              size - 8));
    }
    if (length == 0 || start.get(8) != '{') {
      throw new InvalidInput(
          "%s is no safetensors file: its header does not start with '{'".formatted(file));
    }
    Reader reader = new Reader(file, 8 + length, size - 8 - length);
    StrictJson.readObject(
        file + ": header",
        ByteStreams.limit(Channels.newInputStream(channel.position(8)), length),
        reader::entries);
    return reader.finish();
  }

  /** Collects one header's entries. */
  private static final class Reader {
    private final Path file;
    private final long dataStart;
    private final long dataBytes;
    private final SortedMap<String, Tensor> tensors = new TreeMap<>();
    private final SortedMap<String, String> metadata = new TreeMap<>();

    Reader(Path file, long dataStart, long dataBytes) {
      this.file = file;
      this.dataStart = dataStart;
      this.dataBytes = dataBytes;
    }

    void entries(JsonParser parser) throws IOException {
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        parser.nextToken();
        if (name.equals(METADATA)) {
          metadata(parser);
        } else {
          tensor(name, parser);
        }
      }
    }

    private void metadata(JsonParser parser) throws IOException {
      if (parser.currentToken() == JsonToken.VALUE_NULL) {
        return;
      }
      if (parser.currentToken() != JsonToken.START_OBJECT) {
        throw new InvalidInput(
            "%s: %s is no map of texts but %s".formatted(file, METADATA, parser.currentToken()));
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String key = parser.currentName();
        if (parser.nextToken() != JsonToken.VALUE_STRING) {
          throw new InvalidInput(
              "%s: %s: the value of '%s' is no text but %s"
                  .formatted(file, METADATA, shown(key), parser.currentToken()));
        }
        String value = parser.getText();
        if (!StrictJson.isUnicode(key) || !StrictJson.isUnicode(value)) {
          throw new InvalidInput(
              "%s: %s: '%s' contains half a surrogate pair, which is no Unicode text"
                  .formatted(file, METADATA, shown(key)));
        }
        metadata.put(key, value);
      }
    }

    private void tensor(String name, JsonParser parser) throws IOException {
      if (!StrictJson.isUnicode(name)) {
        throw invalid(name, "its name contains half a surrogate pair, which is no Unicode text");
      }
      if (parser.currentToken() != JsonToken.START_OBJECT) {
        throw invalid(name, "expected an object, found " + parser.currentToken());
      }
      DType dtype = null;
      List<Long> shape = null;
      Offsets offsets = null;
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String key = parser.currentName();
        parser.nextToken();
        switch (key) {
          case "dtype" -> dtype = dtype(name, parser);
          case "shape" -> shape = integers(name, "shape", MAX_DIMENSIONS, parser);
          case "data_offsets" -> {
            List<Long> pair = integers(name, "data_offsets", 2, parser);
            if (pair.size() != 2) {
              throw invalid(name, "data_offsets must be two integers, found " + pair);
            }
            offsets = new Offsets(pair.get(0), pair.get(1));
          }
          // The reference implementation ignores further keys too.
          default -> parser.skipChildren();
        }
      }
      if (dtype == null || shape == null || offsets == null) {
        String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
        throw invalid(name, missing + " is missing");
      }
      tensors.put(name, located(name, dtype, shape, offsets));
    }

    private DType dtype(String name, JsonParser parser) throws IOException {
      if (parser.currentToken() != JsonToken.VALUE_STRING) {
        throw invalid(name, "dtype must be a text, found " + parser.currentToken());
      }
      String dtype = parser.getText();
      return DType.of(dtype)
          .orElseThrow(
              () ->
                  invalid(
                      name,
                      "unknown dtype '%s', expected one of %s"
                          .formatted(shown(dtype), Arrays.toString(DType.values()))));
    }

    private List<Long> integers(String name, String key, int most, JsonParser parser)
        throws IOException {
      if (parser.currentToken() != JsonToken.START_ARRAY) {
        throw invalid(name, key + " must be an array, found " + parser.currentToken());
      }
      List<Long> integers = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        if (integers.size() == most) {
          throw invalid(name, key + " has more than " + most + " entries");
        }
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
            || parser.getText().startsWith("-")) {
          throw invalid(
              name,
              "%s holds %s, expected integers from 0 on"
                  .formatted(key, shown(String.valueOf(parser.getText()))));
        }
        try {
          integers.add(parser.getLongValue());
        } catch (InputCoercionException e) {
          throw invalid(name, key + " overflows 64 bits: " + shown(parser.getText()));
        }
      }
      return integers;
    }

    private Tensor located(String name, DType dtype, List<Long> shape, Offsets offsets) {
      TensorInfo info;
      try {
        info = new TensorInfo(name, dtype, shape);
      } catch (ArithmeticException e) {
        throw invalid(
            name, "the byte count of shape %s × %s overflows 64 bits".formatted(shape, dtype));
      }
      if (offsets.begin > offsets.end || offsets.end > dataBytes) {
        throw invalid(
            name,
            String.format(
                Locale.ROOT,
                "data_offsets [%d, %d] are outside the file's %d bytes of data%s",
                offsets.begin,
                offsets.end,
                dataBytes,
                offsets.end > dataBytes ? " (is the file truncated?)" : ""));
      }
      if (offsets.end - offsets.begin != info.bytes()) {
        throw invalid(
            name,
            String.format(
                Locale.ROOT,
                "shape %s × %s takes %d bytes, but its data_offsets [%d, %d] hold %d",
                shape,
                dtype,
                info.bytes(),
                offsets.begin,
                offsets.end,
                offsets.end - offsets.begin));
      }
      return new Tensor(info, dataStart + offsets.begin);
    }

    SafetensorsHeader finish() {
      List<Tensor> inFile = new ArrayList<>(tensors.values());
      inFile.sort(
          Comparator.comparingLong(Tensor::position).thenComparingLong(t -> t.info().bytes()));
      long end = dataStart;
      String previous = "the header";
      for (Tensor tensor : inFile) {
        String name = tensor.info().name();
        if (tensor.position() < end) {
          throw invalid(
              name,
              String.format(
                  Locale.ROOT,
                  "its bytes from %d on overlap those of %s, which end at %d",
                  tensor.position() - dataStart,
                  previous,
                  end - dataStart));
        }
        if (tensor.position() > end) {
          throw invalid(
              name,
              String.format(
                  Locale.ROOT,
                  "%d bytes between the end of %s and this tensor belong to no tensor",
                  tensor.position() - end,
                  previous));
        }
        end += tensor.info().bytes();
        previous = "tensor '" + shown(name) + "'";
      }
      if (end != dataStart + dataBytes) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "%s: %d bytes after the end of %s belong to no tensor",
                file,
                dataStart + dataBytes - end,
                previous));
      }
      return new SafetensorsHeader(
          Collections.unmodifiableSortedMap(tensors), Collections.unmodifiableSortedMap(metadata));
    }

    private InvalidInput invalid(String tensor, String why) {
      return new InvalidInput("%s: tensor '%s': %s".formatted(file, shown(tensor), why));
    }
  }
}
