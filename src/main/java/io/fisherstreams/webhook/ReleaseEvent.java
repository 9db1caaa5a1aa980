package io.fisherstreams.webhook;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
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
              write(json, release);
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

  private static void write(JsonGenerator json, Release release) throws IOException {
    json.writeNumberField("id", release.getRelease());
    json.writeStringField("status", release.getStatus().name());
    json.writeStringField("reason", release.getReason());
    json.writeStringField("at", release.getAt().toString());
    json.writeNumberField("shards", release.getShards());
    json.writeStringField("checksum", release.getChecksum());
    json.writeNumberField("unweighted", release.getUnweighted());
    MergePlan plan = release.getPlan();
    json.writeObjectFieldStart("plan");
    json.writeStringField("created_at", plan.getCreatedAt().toString());
    json.writeStringField("cause", plan.getCause());
    json.writeObjectFieldStart("base");
    json.writeStringField("model", plan.getBaseModel());
    json.writeNumberField("version", plan.getBaseVersion());
    json.writeEndObject();
    MergeMethod method = plan.getMethod();
    json.writeObjectFieldStart("method");
    json.writeArrayFieldStart("exclude_param_names_regex");
    for (String pattern : method.getExcludeParamNamesRegex()) {
      json.writeString(pattern);
    }
    json.writeEndArray();
    json.writeBooleanField("normalize_fisher_weight", method.getNormalizeFisherWeight());
    json.writeNumberField("minimal_fisher_weight", method.getMinimalFisherWeight());
    json.writeStringField("output_dtype", method.getOutputDtype());
    json.writeEndObject();
    json.writeArrayFieldStart("models");
    for (PlannedModel model : plan.getModels()) {
      json.writeStartObject();
      json.writeStringField("model", model.getModel());
      json.writeNumberField("version", model.getVersion());
      json.writeNumberField("epoch", model.getEpoch());
      json.writeNumberField("coefficient", model.getCoefficient());
      json.writeNumberField("fisher_norm", model.getFisherNorm());
      json.writeNumberField("weight", model.getWeight());
      json.writeNumberField("share", model.getShare());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }
}
