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
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/**
 * A JSON Lines file, read by line number. Opening it scans for line ends once and remembers 16
 * bytes a line. Lines with only white space are not counted.
 */
final class JsonLines implements AutoCloseable {
  private static final int BUFFER = 1 << 16;

  /** Bytes of a line. */
  private static final int MAX_LINE = 1 << 26;

  private static final int SHOWN_CHARACTERS = 60;

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
    JsonLines lines = null;
    try {
      lines = new JsonLines(path, FileChannel.open(path));
      lines.scan();
      return lines;
    } catch (InvalidInput e) {
      lines.close();
      throw e;
    } catch (IOException e) {
      throw InvalidInput.unreadable(path, e);
    }
  }

  private void scan() throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    long lineStart = markLength();
    long position = lineStart;
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

  /** The length of the byte-order mark that some editors write before UTF-8. */
  private int markLength() throws IOException {
    ByteBuffer start = ByteBuffer.allocate(3);
    while (start.hasRemaining() && channel.read(start, start.position()) > 0) {
      // Continue after a short read.
    }
    byte[] bytes = Arrays.copyOf(start.array(), start.position());
    if (bytes.length >= 2
        && ((bytes[0] == -1 && bytes[1] == -2) || (bytes[0] == -2 && bytes[1] == -1))) {
      throw new InvalidInput("%s: the file is UTF-16; save it as UTF-8".formatted(path));
    }
    return bytes.length == 3
            && bytes[0] == (byte) 0xEF
            && bytes[1] == (byte) 0xBB
            && bytes[2] == (byte) 0xBF
        ? 3
        : 0;
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
    long length = ends[i] - starts[i];
    if (length > MAX_LINE) {
      throw invalid(
          index,
          String.format(
              Locale.ROOT, "the line has %d bytes, expected at most %d", length, MAX_LINE));
    }
    ByteBuffer bytes = ByteBuffer.allocate((int) length);
    try {
      while (bytes.hasRemaining() && channel.read(bytes, starts[i] + bytes.position()) > 0) {
        // Continue after a short read.
      }
      String text = StandardCharsets.UTF_8.newDecoder().decode(bytes.flip()).toString();
      if (text.strip().startsWith("[")) {
        throw invalid(
            index,
            "expected a JSON object in each line, found an array; this makes lines of it: jq -c '.[]'");
      }
      JsonNode node = mapper.readTree(text);
      if (!node.isObject()) {
        throw invalid(
            index, "expected a JSON object in each line, found %s".formatted(shown(text.strip())));
      }
      return node;
    } catch (CharacterCodingException e) {
      throw new InvalidInput(
          String.format(Locale.ROOT, "%s: example %d: not UTF-8", path, index), e);
    } catch (JsonProcessingException e) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: example %d: not JSON: %s; the line begins with %s",
              path,
              index,
              reason(e),
              beginning(bytes)),
          e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The parser's reason, in the words of JSON: the parser's own settings are not the user's. */
  private static String reason(JsonProcessingException fault) {
    String reason = JsonFault.reason(fault);
    if (reason.contains("Non-standard token") || reason.contains("Feature")) {
      return "numbers are finite and texts are in double quotes; NaN and Infinity are not JSON";
    }
    if (reason.contains("end-of-input")) {
      return "the line ends within an object; each example is one line, which jq -c . makes of it";
    }
    return reason;
  }

  private static String beginning(ByteBuffer bytes) {
    return shown(StandardCharsets.UTF_8.decode(bytes.rewind()).toString().strip());
  }

  /** A text of the file for messages: of limited length, without control characters. */
  private static String shown(String text) {
    String line = text.replaceAll("\\p{Cntrl}", " ");
    return line.length() > SHOWN_CHARACTERS ? line.substring(0, SHOWN_CHARACTERS) + "…" : line;
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
      throw invalid(
          index, "%s: expected a string, found %s".formatted(key, shown(value.toString())));
    }
    requireCharacters(index, key, value.textValue());
    return Optional.of(value.textValue());
  }

  /** Rejects a text that no UTF-8 file could have. */
  void requireCharacters(long index, String key, String text) {
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw invalid(
          index,
          "%s: half of a surrogate pair (\\ud800 to \\udfff) is no character".formatted(key));
    }
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
    if (label.isNumber() && label.canConvertToExactIntegral() && label.canConvertToLong()) {
      return label.longValue(); // also 1.0, which pandas writes when another label is missing
    }
    if (label.isTextual()) {
      String name = label.textValue();
      return classNamed
          .apply(name)
          .or(() -> classNumber(name))
          .orElseThrow(
              () ->
                  invalid(
                      index,
                      "label \"%s\" is no class name of the model and no class number"
                          .formatted(shown(name))));
    }
    throw invalid(
        index,
        "label: expected a class number or name, found %s".formatted(shown(label.toString())));
  }

  /** The {@code label} as a number that is no class, such as 1.5, if it is one. */
  Optional<Float> value(JsonNode line) {
    JsonNode label = line.get("label");
    return label != null && label.isNumber() && !label.canConvertToExactIntegral()
        ? Optional.of(label.floatValue())
        : Optional.empty();
  }

  /** The class of a number in a text, as CSV converters write it. */
  private static Optional<Long> classNumber(String text) {
    return text.matches("[0-9]{1,9}") ? Optional.of(Long.valueOf(text)) : Optional.empty();
  }

  InvalidInput invalid(long index, String reason) {
    return new InvalidInput(String.format(Locale.ROOT, "%s: example %d: %s", path, index, reason));
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
