package io.fisherstreams.release;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ParameterGroup;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.TaskAccuracy;
import io.fisherstreams.record.TopicSlice;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;

/** A release as JSON, with keys in snake_case. */
public final class ReleaseJson {
  private ReleaseJson() {}

  /** The whole record as one line, with its plan, its offsets and the gate's verdict. */
  public static String text(Release release) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
      json.writeStartObject();
      writeWhole(json, release);
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  /** Writes all of {@link #text} into the generator's current object. */
  public static void writeWhole(JsonGenerator json, Release release) throws IOException {
    writeFields(json, release);
    json.writeObjectFieldStart("plan");
    writePlan(json, release.getPlan());
    json.writeArrayFieldStart("retired");
    for (RetiredModel model : release.getPlan().getRetired()) {
      json.writeStartObject();
      json.writeStringField("model", model.getModel());
      json.writeNumberField("version", model.getVersion());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
    json.writeArrayFieldStart("slices");
    for (TopicSlice slice : release.getSlices()) {
      json.writeStartObject();
      json.writeNumberField("partition", slice.getPartition());
      json.writeNumberField("first_offset", slice.getFirstOffset());
      json.writeNumberField("end_offset", slice.getEndOffset());
      json.writeEndObject();
    }
    json.writeEndArray();
    writeVerdict(json, release.getVerdict());
  }

  /**
   * Writes status, checksum and plan into the generator's current object, as webhooks send them: a
   * webhook's payload has no offsets and no retired models.
   */
  public static void write(JsonGenerator json, Release release) throws IOException {
    writeFields(json, release);
    json.writeObjectFieldStart("plan");
    writePlan(json, release.getPlan());
    json.writeEndObject();
  }

  private static void writeFields(JsonGenerator json, Release release) throws IOException {
    json.writeNumberField("id", release.getRelease());
    json.writeStringField("status", release.getStatus().name());
    json.writeStringField("reason", release.getReason());
    json.writeStringField("at", release.getAt().toString());
    json.writeNumberField("shards", release.getShards());
    json.writeStringField("checksum", release.getChecksum());
    json.writeNumberField("unweighted", release.getUnweighted());
  }

  private static void writePlan(JsonGenerator json, MergePlan plan) throws IOException {
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
    json.writeStringField("name", method.getName());
    json.writeNumberField("scale", method.getScale());
    json.writeNumberField("fisher_exponent", method.getFisherExponent());
    json.writeBooleanField("normalize_fisher_weight", method.getNormalizeFisherWeight());
    json.writeNumberField("minimal_fisher_weight", method.getMinimalFisherWeight());
    writeNumber(json, "relative_fisher_weight", method.getRelativeFisherWeight());
    writeNumber(json, "prior", method.getPrior());
    json.writeStringField("output_dtype", method.getOutputDtype());
    json.writeStringField(
        "unchanged_parameters", MergeMethods.unchanged(method.getUnchangedParameters()));
    json.writeArrayFieldStart("groups");
    for (ParameterGroup group : method.getGroups()) {
      json.writeStartObject();
      json.writeStringField("name", group.getName());
      json.writeStringField("pattern", group.getPattern());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
    json.writeNumberField("epsilon_share", PlannedModels.epsilonShare(plan));
    json.writeArrayFieldStart("models");
    for (PlannedModel model : plan.getModels()) {
      json.writeStartObject();
      json.writeStringField("model", model.getModel());
      json.writeNumberField("version", model.getVersion());
      json.writeNumberField("epoch", model.getEpoch());
      json.writeNumberField("coefficient", model.getCoefficient());
      writeNumbers(json, "group_coefficients", PlannedModels.given(plan, model).ofGroups());
      json.writeNumberField("fisher_norm", model.getFisherNorm());
      json.writeNumberField("weight", model.getWeight());
      json.writeNumberField("share", model.getShare());
      json.writeNumberField("epsilon_share", model.getEpsilonShare());
      json.writeEndObject();
    }
    json.writeEndArray();
    writeLeftOut(json, "left_out", plan.getLeftOut());
    writeTexts(json, "warnings", plan.getWarnings());
  }

  /** Writes an object of numbers. */
  public static void writeNumbers(JsonGenerator json, String field, Map<String, Double> numbers)
      throws IOException {
    json.writeObjectFieldStart(field);
    for (Map.Entry<String, Double> number : numbers.entrySet()) {
      json.writeNumberField(number.getKey(), number.getValue());
    }
    json.writeEndObject();
  }

  /** Writes the array {@code models} of a plan's models, with version and epoch. */
  public static void writeModels(JsonGenerator json, MergePlan plan) throws IOException {
    json.writeArrayFieldStart("models");
    for (PlannedModel model : plan.getModels()) {
      json.writeStartObject();
      json.writeStringField("model", model.getModel());
      json.writeNumberField("version", model.getVersion());
      json.writeNumberField("epoch", model.getEpoch());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static void writeLeftOut(JsonGenerator json, String key, List<LeftOutModel> models)
      throws IOException {
    json.writeArrayFieldStart(key);
    for (LeftOutModel model : models) {
      json.writeStartObject();
      json.writeStringField("model", model.getModel());
      json.writeNumberField("version", model.getVersion());
      json.writeStringField("reason", model.getReason());
      json.writeBooleanField("by_gate", model.getByGate());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static void writeTexts(JsonGenerator json, String key, List<String> texts)
      throws IOException {
    json.writeArrayFieldStart(key);
    for (String text : texts) {
      json.writeString(text);
    }
    json.writeEndArray();
  }

  /**
   * Writes the field {@code verdict} into the generator's current object.
   *
   * @param verdict null when no gate has judged
   */
  public static void writeVerdict(JsonGenerator json, GateVerdict verdict) throws IOException {
    if (verdict == null) {
      json.writeNullField("verdict");
      return;
    }
    json.writeObjectFieldStart("verdict");
    json.writeBooleanField("passed", verdict.getPassed());
    json.writeBooleanField("held", verdict.getHeld());
    json.writeStringField("reason", verdict.getReason());
    json.writeNumberField("accuracy", verdict.getAccuracy());
    json.writeNumberField("reference_release", verdict.getReferenceRelease());
    writeNumber(json, "reference_accuracy", verdict.getReferenceAccuracy());
    json.writeNumberField("largest_drop", verdict.getLargestDrop());
    writeTexts(json, "suspects", verdict.getSuspects());
    writeLeftOut(json, "leave_out", verdict.getLeaveOut());
    json.writeArrayFieldStart("tasks");
    for (TaskAccuracy task : verdict.getTasks()) {
      json.writeStartObject();
      json.writeStringField("task", task.getTask());
      json.writeNumberField("examples", task.getExamples());
      json.writeNumberField("accuracy", task.getAccuracy());
      writeNumber(json, "loss", task.getLoss());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void writeNumber(JsonGenerator json, String field, Double value)
      throws IOException {
    if (value == null) {
      json.writeNullField(field);
    } else {
      json.writeNumberField(field, value);
    }
  }
}
