package io.fisherstreams.view;

import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.Build;
import io.fisherstreams.coordinator.LayerShares;
import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.kafka.RunningInstances;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.ReleaseJson;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;

/**
 * A pool as JSON, with keys in snake_case: what {@code status --json} prints and the API sends. It
 * writes fields into the generator's current object. {@code openapi.yaml} describes each.
 */
public final class PoolJson {
  private static final int MAX_MISSING = 10;

  private PoolJson() {}

  /** Writes the fields of a pool. */
  public static void pool(JsonGenerator json, PoolSummary pool) throws IOException {
    json.writeStringField("name", pool.name());
    json.writeNumberField("partitions", pool.partitions());
    json.writeFieldName("base");
    if (pool.baseVersion().isPresent()) {
      json.writeStartObject();
      json.writeStringField("model", pool.base());
      json.writeNumberField("version", pool.baseVersion().getAsLong());
      json.writeEndObject();
    } else {
      json.writeNull();
    }
    json.writeBooleanField("waiting", pool.waiting());
    json.writeNumberField("models", pool.models());
    number(json, "newest_release", pool.newestRelease());
    json.writeNumberField("dead_letters", pool.deadLetters());
    json.writeStringField("build", Build.current().version());
    json.writeArrayFieldStart("stages");
    for (PoolTraffic.StageTraffic stage : pool.traffic().stages()) {
      json.writeStartObject();
      json.writeStringField("stage", stage.stage());
      number(json, "lag_records", stage.lag());
      json.writeFieldName("instances");
      if (stage.instances().isPresent()) {
        instances(json, stage.instances().get());
      } else {
        json.writeNull();
      }
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeArrayFieldStart("topics");
    for (PoolTraffic.TopicTraffic topic : pool.traffic().topics()) {
      json.writeStartObject();
      json.writeStringField("topic", topic.topic());
      json.writeNumberField("records", topic.records());
      json.writeNumberField("records_per_second", topic.recordsPerSecond());
      number(json, "bytes", topic.bytes());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static void instances(JsonGenerator json, List<RunningInstances.Instance> instances)
      throws IOException {
    json.writeStartArray();
    for (RunningInstances.Instance instance : instances) {
      json.writeStartObject();
      json.writeStringField("host", instance.host());
      json.writeStringField("client", instance.client());
      json.writeNumberField("partitions", instance.partitions());
      json.writeStringField("build", instance.build().map(Build::text).orElse(null));
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  /** Writes the array {@code models}: every version of those that are wanted. */
  public static void models(JsonGenerator json, PoolReading reading, Predicate<String> wanted)
      throws IOException {
    json.writeArrayFieldStart("models");
    for (Map.Entry<String, NavigableMap<Long, PoolModel>> model :
        reading.status().view().models().entrySet()) {
      if (wanted.test(model.getKey())) {
        for (PoolModel version : model.getValue().values()) {
          json.writeStartObject();
          model(json, reading, model.getKey(), version);
          json.writeEndObject();
        }
      }
    }
    json.writeEndArray();
  }

  /** Writes the fields of a version of a model. */
  public static void model(JsonGenerator json, PoolReading reading, String name, PoolModel model)
      throws IOException {
    ModelManifest manifest = model.manifest();
    ModelVersion version = new ModelVersion(name, manifest.getVersion());
    json.writeStringField("name", name);
    json.writeStringField("role", manifest.getRole().name());
    json.writeNumberField("version", manifest.getVersion());
    json.writeStringField(
        "announced_at", reading.announced().getOrDefault(version, Instant.EPOCH).toString());
    json.writeStringField("state", reading.status().stateOf(name, model).name());
    json.writeStringField("reason", reading.status().state(name, model));
    if (manifest.getCoefficient() == null) {
      json.writeNullField("coefficient");
    } else {
      json.writeNumberField("coefficient", manifest.getCoefficient());
    }
    ReleaseJson.writeNumbers(
        json, "group_coefficients", MergeMethods.coefficients(manifest).ofGroups());
    merged(json, reading, version);
    json.writeObjectFieldStart("checkpoint");
    json.writeNumberField("present", model.present());
    json.writeNumberField("wanted", model.shards());
    json.writeEndObject();
    json.writeObjectFieldStart("fisher");
    json.writeNumberField("sealed", model.sealed());
    json.writeNumberField("wanted", model.fisherShards());
    number(json, "epoch", model.epoch().stream().mapToLong(Integer::longValue).findFirst());
    json.writeEndObject();
    json.writeFieldName("examples");
    if (manifest.getEstimation() == null) {
      json.writeNull();
    } else {
      json.writeStartObject();
      json.writeNumberField("counted", reading.counted().getOrDefault(version, 0L));
      json.writeNumberField("wanted", manifest.getExamples());
      json.writeEndObject();
    }
    json.writeStringField(
        "estimator",
        manifest.getEstimation() == null ? null : manifest.getEstimation().getEstimator());
    missing(json, model);
  }

  /** The newest complete release tells whether a version is in use, and its share. */
  private static void merged(JsonGenerator json, PoolReading reading, ModelVersion version)
      throws IOException {
    Optional<Release> release = reading.newestRelease();
    Optional<PlannedModel> planned =
        release.stream()
            .flatMap(r -> r.getPlan().getModels().stream())
            .filter(
                m -> m.getModel().equals(version.model()) && m.getVersion() == version.version())
            .findFirst();
    boolean isBase =
        release
            .filter(
                r ->
                    r.getPlan().getBaseModel().equals(version.model())
                        && r.getPlan().getBaseVersion() == version.version())
            .isPresent();
    if (planned.isPresent()) {
      json.writeNumberField("share", planned.get().getShare());
    } else {
      json.writeNullField("share");
    }
    number(
        json,
        "merged_in",
        planned.isPresent() || isBase
            ? OptionalLong.of(release.get().getRelease())
            : OptionalLong.empty());
  }

  private static void missing(JsonGenerator json, PoolModel model) throws IOException {
    List<String> missing = model.missing();
    if (missing.isEmpty()) {
      json.writeNullField("missing");
      return;
    }
    json.writeObjectFieldStart("missing");
    json.writeStringField("kind", model.isPresent() ? "fisher" : "checkpoint");
    json.writeArrayFieldStart("first");
    for (String shard : missing.subList(0, Math.min(MAX_MISSING, missing.size()))) {
      json.writeString(shard);
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  /** Writes the fields of a release's shares. */
  public static void shares(JsonGenerator json, LayerShares shares) throws IOException {
    json.writeNumberField("release", shares.plan().getRelease());
    ReleaseJson.writeModels(json, shares.plan());
    json.writeObjectFieldStart("whole");
    part(json, shares.whole());
    json.writeEndObject();
    json.writeArrayFieldStart("layers");
    for (LayerShares.Part layer : shares.layers()) {
      json.writeStartObject();
      json.writeStringField("layer", layer.name());
      part(json, layer);
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static void part(JsonGenerator json, LayerShares.Part part) throws IOException {
    json.writeNumberField("entries", part.entries());
    json.writeArrayFieldStart("share");
    for (double share : part.shares()) {
      json.writeNumber(share);
    }
    json.writeEndArray();
  }

  private static void number(JsonGenerator json, String name, OptionalLong number)
      throws IOException {
    if (number.isPresent()) {
      json.writeNumberField(name, number.getAsLong());
    } else {
      json.writeNullField(name);
    }
  }
}
