package io.fisherstreams.view;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.JsonGeneratorDelegate;
import io.fisherstreams.Secrets;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/** JSON without secrets: a rejected record's reason may quote one. */
public final class MaskedJson extends JsonGeneratorDelegate {
  private static final JsonFactory FACTORY = new JsonFactory();

  /** Writes the fields of an object. */
  public interface Fields {
    /** Writes them. */
    void write(JsonGenerator json) throws IOException;
  }

  private MaskedJson(JsonGenerator json) {
    super(json);
  }

  /** One object in UTF-8, on one line. */
  public static byte[] object(Fields fields) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = new MaskedJson(FACTORY.createGenerator(bytes))) {
      json.writeStartObject();
      fields.write(json);
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  @Override
  public void writeString(String text) throws IOException {
    super.writeString(Secrets.mask(text));
  }
}
