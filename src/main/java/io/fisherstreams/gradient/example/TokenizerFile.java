package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.JsonFault;
import io.fisherstreams.files.FileSize;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Checks a {@code tokenizer.json} before the native tokenizer reads it. The native parser ends the
 * whole process at a text in the decoder's part that it cannot parse: no JSON, nested too deep,
 * half a surrogate pair, or a number out of range.
 */
final class TokenizerFile {
  /** Bytes of a file; the largest known ones have 35 MB. */
  private static final long MAX_BYTES = 1L << 28;

  /** Levels of nesting; the native parser's limit is 128. */
  private static final int MAX_DEPTH = 100;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH)
                  .maxStringLength((int) MAX_BYTES)
                  .build())
          .build();

  private TokenizerFile() {}

  /**
   * Checks a file.
   *
   * @throws InvalidInput when there is none, or the native tokenizer could not parse it
   */
  static void check(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new InvalidInput(
          ("%s: there is no such file; examples with text need the model's tokenizer.json, in the"
                  + " folder of its config.json")
              .formatted(file));
    }
    FileSize.requireAtMost(file, MAX_BYTES);
    try (Reader text =
            new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8.newDecoder());
        JsonParser parser = FACTORY.createParser(text)) {
      check(file, parser);
    } catch (CharacterCodingException e) {
      throw invalid(file, "it is not UTF-8");
    } catch (JsonProcessingException e) {
      throw invalid(file, "not JSON: " + JsonFault.reason(e));
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }

  private static void check(Path file, JsonParser parser) throws IOException {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw invalid(file, "expected a JSON object");
    }
    CharsetEncoder utf8 = StandardCharsets.UTF_8.newEncoder();
    int depth = 1;
    while (depth > 0) {
      JsonToken token = parser.nextToken();
      if (token == null) {
        throw invalid(file, "the file is truncated");
      }
      if (token.isStructStart()) {
        depth++;
      } else if (token.isStructEnd()) {
        depth--;
      } else if (token.isNumeric() && !Double.isFinite(parser.getDoubleValue())) {
        throw invalid(file, "a number is out of range");
      } else if ((token == JsonToken.FIELD_NAME || token == JsonToken.VALUE_STRING)
          && !utf8.canEncode(parser.getText())) {
        throw invalid(file, "half of a surrogate pair (\\ud800 to \\udfff) is no character");
      }
    }
    if (parser.nextToken() != null) {
      throw invalid(file, "text after the JSON object's end");
    }
  }

  private static InvalidInput invalid(Path file, String reason) {
    return new InvalidInput("%s: no tokenizer could be read: %s".formatted(file, reason));
  }
}
