package io.fisherstreams.release;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.record.Alias;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;

/** An alias as JSON, with keys in snake_case. */
public final class AliasJson {
  private AliasJson() {}

  /** An object on one line. */
  public static String text(Alias alias) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
      json.writeStartObject();
      write(json, alias);
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  /** Writes the alias's fields into the generator's current object, as webhooks send them. */
  public static void write(JsonGenerator json, Alias alias) throws IOException {
    json.writeStringField("name", alias.getAlias());
    json.writeNumberField("release", alias.getRelease());
    json.writeBooleanField("held", alias.getHeld());
    json.writeNumberField("baseline", alias.getBaseline());
    json.writeStringField("at", alias.getAt().toString());
    json.writeStringField("by", alias.getBy());
    json.writeArrayFieldStart("earlier");
    for (long earlier : alias.getEarlier()) {
      json.writeNumber(earlier);
    }
    json.writeEndArray();
  }
}
