package io.fisherstreams.api;

import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.view.MaskedJson;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/**
 * Something that happened in the pool, as one server-sent event.
 *
 * @param bytes the event's lines and the empty line after it
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier between two methods, never compared
record Event(byte[] bytes) {
  /** A comment line, which keeps a connection open. */
  static final Event COMMENT = new Event(":\n\n".getBytes(StandardCharsets.UTF_8));

  /** An event with the envelope of the webhooks. */
  static Event of(String type, String pool, MaskedJson.Fields data) {
    return of(
        type,
        null,
        MaskedJson.object(
            json -> {
              json.writeStringField("type", type);
              json.writeStringField("timestamp", Instant.now().toString());
              json.writeObjectFieldStart("data");
              json.writeStringField("pool", pool);
              data.write(json);
              json.writeEndObject();
            }));
  }

  /**
   * An event with a body on one line.
   *
   * @param id null for none
   */
  static Event of(String type, String id, byte[] body) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    String head = "event: " + type + "\n" + (id == null ? "" : "id: " + id + "\n") + "data: ";
    bytes.writeBytes(head.getBytes(StandardCharsets.UTF_8));
    bytes.writeBytes(body);
    bytes.writeBytes("\n\n".getBytes(StandardCharsets.UTF_8));
    return new Event(bytes.toByteArray());
  }

  /** Writes an object field. */
  static void object(JsonGenerator json, String name, MaskedJson.Fields fields) throws IOException {
    json.writeObjectFieldStart(name);
    fields.write(json);
    json.writeEndObject();
  }
}
