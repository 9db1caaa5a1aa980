package io.fisherstreams.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PushbackInputStream;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/**
 * Reads one JSON object of untrusted UTF-8 strictly, token by token. Written by hand on Jackson's
 * tokens because no library is as strict about encoding, duplicate keys and trailing text.
 */
final class StrictJson {
  // Names come from untrusted files and must not fill the process-wide symbol tables.
  private static final JsonFactory FACTORY =
      new JsonFactoryBuilder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(StreamReadFeature.AUTO_CLOSE_SOURCE) // the file will still be mapped
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .build();

  private static final int SHOWN_CHARACTERS = 200;

  private StrictJson() {}

  /** Reads from the object's opening brace to its closing one. */
  interface ObjectReader {
    void read(JsonParser parser) throws IOException;
  }

  /**
   * Gives the stream's only object to the reader. Rejects everything else: other text around the
   * object, bytes that are not UTF-8 (Jackson alone would guess UTF-16), a duplicate key in an
   * object.
   *
   * <p>The stream is left open.
   *
   * @param what the file, and the part of it that is being read, for messages
   */
  static void readObject(String what, InputStream in, ObjectReader reader) {
    InputStreamReader utf8 =
        new InputStreamReader(
            new SkippedMark(in),
            StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT));
    try (JsonParser parser = FACTORY.createParser(utf8)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new InvalidInput(what + ": expected a JSON object");
      }
      reader.read(parser);
      if (parser.nextToken() != null) {
        throw new InvalidInput(what + ": text after the JSON object's end");
      }
    } catch (CharacterCodingException e) {
      throw new InvalidInput(what + " is not UTF-8", e);
    } catch (JsonProcessingException e) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s is not valid JSON: %s (character %d)",
              what,
              shown(JsonFault.reason(e)),
              e.getLocation() == null ? -1 : e.getLocation().getCharOffset()),
          e);
    } catch (IOException e) {
      throw new InvalidInput(what + ": cannot be read: " + InvalidInput.reason(e), e);
    }
  }

  /** Skips the byte-order mark that some editors write. */
  private static final class SkippedMark extends PushbackInputStream {
    private static final byte[] MARK = {(byte) 0xef, (byte) 0xbb, (byte) 0xbf};
    private boolean started;

    SkippedMark(InputStream in) {
      super(in, MARK.length);
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
      if (!started) {
        started = true;
        byte[] start = new byte[MARK.length];
        int count = super.readNBytes(start, 0, MARK.length);
        if (!Arrays.equals(start, MARK)) {
          unread(start, 0, count);
        }
      }
      return super.read(bytes, offset, length);
    }
  }

  /** A name or text of the input for messages: one line, of limited length. */
  static String shown(String text) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < text.length() && i < SHOWN_CHARACTERS; i++) {
      char c = text.charAt(i);
      if (Character.isISOControl(c)) {
        line.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        line.append(c);
      }
    }
    return text.length() > SHOWN_CHARACTERS ? line + "…" : line.toString();
  }

  /**
   * Whether a text can be written as UTF-8. JSON's escapes can contain half a surrogate pair, which
   * cannot.
   */
  static boolean isUnicode(String text) {
    return text.codePoints()
        .noneMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
  }
}
