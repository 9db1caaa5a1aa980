package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.JsonFault;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;

/**
 * A JSON Lines file, read by line number. Opening it scans for line ends once and remembers 16
 * bytes a line. Lines with only white space are not counted.
 */
final class JsonLines implements AutoCloseable {
  private static final int BUFFER = 1 << 16;

  private final Path path;
  private final FileChannel channel;
  // Line i is the bytes from starts[i] to ends[i].
  private long[] starts = new long[16];
  private long[] ends = new long[16];
  private int count;
  private final ObjectMapper mapper =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private JsonLines(Path path, FileChannel channel) {
    this.path = path;
    this.channel = channel;
  }

  /**
   * Opens a file.
   *
   * @throws InvalidInput when it cannot be read
   */
  static JsonLines open(Path path) {
    try {
      JsonLines lines = new JsonLines(path, FileChannel.open(path));
      lines.scan();
      return lines;
    } catch (IOException e) {
      throw InvalidInput.unreadable(path, e);
    }
  }

  private void scan() throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    long lineStart = 0;
    long position = 0;
    boolean blank = true;
    while (channel.read(buffer.clear(), position) > 0) {
      buffer.flip();
      while (buffer.hasRemaining()) {
        byte b = buffer.get();
        position++;
        if (b == '\n') {
          if (!blank) {
            add(lineStart, position - 1);
          }
          lineStart = position;
          blank = true;
        } else if (b != ' ' && b != '\t' && b != '\r') {
          blank = false;
        }
      }
    }
    if (!blank) {
      add(lineStart, position);
    }
  }

  private void add(long start, long end) {
    if (count == starts.length) {
      starts = Arrays.copyOf(starts, 2 * count);
      ends = Arrays.copyOf(ends, 2 * count);
    }
    starts[count] = start;
    ends[count++] = end;
  }

  Path path() {
    return path;
  }

  int count() {
    return count;
  }

  /**
   * Parses one line.
   *
   * @throws InvalidInput when it is no JSON object in UTF-8
   */
  JsonNode line(long index) {
    int i = Math.toIntExact(index);
    ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(ends[i] - starts[i]));
    try {
      while (bytes.hasRemaining() && channel.read(bytes, starts[i] + bytes.position()) > 0) {
        // Continue after a short read.
      }
      String text = StandardCharsets.UTF_8.newDecoder().decode(bytes.flip()).toString();
      JsonNode node = mapper.readTree(text);
      if (!node.isObject()) {
        throw invalid(index, "expected a JSON object, found " + text.strip());
      }
      return node;
    } catch (CharacterCodingException e) {
      throw new InvalidInput("%s: example %d: not UTF-8".formatted(path, index), e);
    } catch (JsonProcessingException e) {
      throw new InvalidInput(
          "%s: example %d: not JSON: %s".formatted(path, index, JsonFault.reason(e)), e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A required string. */
  String text(JsonNode line, long index, String key) {
    return optionalText(line, index, key)
        .orElseThrow(() -> invalid(index, "%s is missing".formatted(key)));
  }

  /** An optional string. */
  Optional<String> optionalText(JsonNode line, long index, String key) {
    JsonNode value = line.get(key);
    if (value == null || value.isNull()) {
      return Optional.empty();
    }
    if (!value.isTextual()) {
      throw invalid(index, "%s: expected a string, found %s".formatted(key, value));
    }
    return Optional.of(value.textValue());
  }

  /**
   * The {@code label}: a class number, or a name that the model knows.
   *
   * @param classNamed the model's class of a name
   */
  long label(JsonNode line, long index, Function<String, Optional<Long>> classNamed) {
    JsonNode label = line.get("label");
    if (label == null) {
      throw invalid(index, "label is missing");
    }
    if (label.isIntegralNumber() && label.canConvertToLong()) {
      return label.longValue();
    }
    if (label.isTextual()) {
      return classNamed
          .apply(label.textValue())
          .orElseThrow(
              () ->
                  invalid(
                      index,
                      "label \"%s\" is no class name of the model".formatted(label.textValue())));
    }
    throw invalid(index, "label: expected a class number or name, found %s".formatted(label));
  }

  InvalidInput invalid(long index, String reason) {
    return new InvalidInput("%s: example %d: %s".formatted(path, index, reason));
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
