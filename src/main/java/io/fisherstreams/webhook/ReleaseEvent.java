package io.fisherstreams.webhook;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseJson;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;

/**
 * What webhooks tell: a release became complete or was rejected, or an alias moved or was removed.
 *
 * @param name {@code release.complete}, {@code release.rejected}, {@code alias.moved} or {@code
 *     alias.removed}
 * @param delivery the same whenever the same event is sent again
 * @param body JSON
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier between two methods, never compared
record ReleaseEvent(String name, UUID delivery, byte[] body) {
  private interface Content {
    void write(JsonGenerator json) throws IOException;
  }

  /**
   * The event of a release; none of one that was abandoned. A gate that lets a release pass makes
   * no other event of it.
   */
  static Optional<ReleaseEvent> of(String pool, Release release) {
    if (release.getStatus() == ReleaseStatus.ABANDONED) {
      return Optional.empty();
    }
    return Optional.of(
        event(
            pool,
            "release." + release.getStatus().name().toLowerCase(Locale.ROOT),
            release.getRelease() + "/" + release.getAt().toEpochMilli(),
            json -> {
              json.writeObjectFieldStart("release");
              ReleaseJson.write(json, release);
              json.writeEndObject();
            }));
  }

  /** The event of an alias; none when it did not move. */
  static Optional<ReleaseEvent> of(String pool, Alias alias) {
    if (!alias.getRefusal().isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        event(
            pool,
            alias.getRelease() == 0 ? "alias.removed" : "alias.moved",
            alias.getAlias() + "/" + alias.getRequest(),
            json -> {
              json.writeObjectFieldStart("alias");
              json.writeStringField("name", alias.getAlias());
              json.writeNumberField("release", alias.getRelease());
              json.writeStringField("at", alias.getAt().toString());
              json.writeArrayFieldStart("earlier");
              for (long earlier : alias.getEarlier()) {
                json.writeNumber(earlier);
              }
              json.writeEndArray();
              json.writeEndObject();
            }));
  }

  private static ReleaseEvent event(String pool, String name, String identity, Content content) {
    UUID delivery =
        UUID.nameUUIDFromBytes(
            (pool + "/" + name + "/" + identity).getBytes(StandardCharsets.UTF_8));
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    try (JsonGenerator json = new JsonFactory().createGenerator(body)) {
      json.writeStartObject();
      json.writeStringField("event", name);
      json.writeStringField("delivery", delivery.toString());
      json.writeStringField("pool", pool);
      content.write(json);
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new ReleaseEvent(name, delivery, body.toByteArray());
  }
}
