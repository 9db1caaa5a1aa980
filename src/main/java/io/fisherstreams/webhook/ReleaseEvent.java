package io.fisherstreams.webhook;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.AliasJson;
import io.fisherstreams.release.ReleaseJson;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * What webhooks tell: a release became complete, was judged or was rejected, or an alias moved, was
 * held, was released from its hold, or was removed.
 *
 * @param type such as {@code release.complete}
 * @param id the same whenever the same event is sent again
 * @param at when it happened
 * @param release the release that it is about; 0 when it is about none
 * @param body JSON with {@code type}, {@code timestamp} and {@code data}
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier between two methods, never compared
public record ReleaseEvent(String type, UUID id, Instant at, long release, byte[] body) {
  private interface Content {
    void write(JsonGenerator json) throws IOException;
  }

  /** The events of a record of {@code releases} or {@code aliases}, in their order; often one. */
  public static List<ReleaseEvent> of(PoolTopics topics, ConsumerRecord<byte[], byte[]> record) {
    Instant recorded = Instant.ofEpochMilli(record.timestamp());
    return record.topic().equals(topics.releases().name())
        ? TopicReader.value(topics.releases(), record)
            .map(release -> of(topics.pool(), release, recorded))
            .orElse(List.of())
        : TopicReader.value(topics.aliases(), record)
            .map(alias -> of(topics.pool(), alias, recorded))
            .orElse(List.of());
  }

  /**
   * The events of a release; none of one that was abandoned. A record with a gate's verdict has
   * {@code release.judged}, after {@code release.complete} or before {@code release.rejected}.
   *
   * @param recorded when the record was written
   */
  static List<ReleaseEvent> of(String pool, Release release, Instant recorded) {
    List<ReleaseEvent> events = new ArrayList<>();
    if (release.getStatus() == ReleaseStatus.COMPLETE) {
      events.add(event(pool, "release.complete", release, release.getAt()));
    }
    if (release.getVerdict() != null) {
      events.add(event(pool, "release.judged", release, recorded));
    }
    if (release.getStatus() == ReleaseStatus.REJECTED) {
      events.add(event(pool, "release.rejected", release, release.getAt()));
    }
    return events;
  }

  private static ReleaseEvent event(String pool, String type, Release release, Instant at) {
    return event(
        pool,
        type,
        Long.toString(release.getRelease()),
        at,
        release.getRelease(),
        json -> {
          json.writeObjectFieldStart("release");
          ReleaseJson.write(json, release);
          // An event that is sent again under its id does not change when a verdict has followed.
          if (!type.equals("release.complete")) {
            ReleaseJson.writeVerdict(json, release.getVerdict());
          }
          json.writeEndObject();
        });
  }

  /** The event of an alias; none when its last request was rejected. */
  static List<ReleaseEvent> of(String pool, Alias alias, Instant recorded) {
    if (!alias.getRefusal().isEmpty()) {
      return List.of();
    }
    String type =
        switch (alias.getAction()) {
          case HOLD -> "alias.held";
          case UNHOLD -> "alias.unheld";
          case REMOVE -> "alias.removed";
          default -> "alias.moved";
        };
    return List.of(
        event(
            pool,
            type,
            alias.getAlias() + "/" + alias.getRequest(),
            recorded,
            alias.getRelease(),
            json -> {
              json.writeObjectFieldStart("alias");
              AliasJson.write(json, alias);
              json.writeEndObject();
            }));
  }

  /** An event that says nothing but that the hook works; each has an id of its own. */
  public static ReleaseEvent test(String pool, Instant now) {
    return event(pool, "test", UUID.randomUUID().toString(), now, 0, json -> {});
  }

  private static ReleaseEvent event(
      String pool, String type, String identity, Instant at, long release, Content content) {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    try (JsonGenerator json = new JsonFactory().createGenerator(body)) {
      json.writeStartObject();
      json.writeStringField("type", type);
      json.writeStringField("timestamp", at.toString());
      json.writeObjectFieldStart("data");
      json.writeStringField("pool", pool);
      content.write(json);
      json.writeEndObject();
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    UUID id =
        UUID.nameUUIDFromBytes(
            (pool + "/" + type + "/" + identity).getBytes(StandardCharsets.UTF_8));
    return new ReleaseEvent(type, id, at, release, body.toByteArray());
  }
}
