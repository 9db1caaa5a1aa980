package io.fisherstreams.release;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.TaskAccuracy;
import io.fisherstreams.record.TopicSlice;
import java.io.IOException;
import java.io.StringWriter;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ReleaseJsonTest {
  private static final String SHARED =
      """
      "id":7,"status":"REJECTED","reason":"too low","at":"2026-01-02T03:04:05.006Z","shards":9,\
      "checksum":"00ff00ff00ff00ff","unweighted":2""";

  private static final String PLAN =
      """
      "created_at":"2026-01-02T03:04:05Z","cause":"a arrived","base":{"model":"b","version":3},\
      "method":{"exclude_param_names_regex":["head"],"name":"fisher","scale":1.0,"fisher_exponent":1.0,\
      "normalize_fisher_weight":true,"minimal_fisher_weight":1.0E-6,"relative_fisher_weight":null,\
      "prior":null,"output_dtype":null,"unchanged_parameters":"no_say","groups":[]},"epsilon_share":0.25,\
      "models":[{"model":"a","version":4,"epoch":1,"coefficient":0.5,"group_coefficients":{},"fisher_norm":2.25,\
      "weight":0.125,"share":1.0,"epsilon_share":0.25}],\
      "left_out":[{"model":"c","version":2,"reason":"too much","by_gate":false}],\
      "warnings":["look"]""";

  private static Release release(GateVerdict verdict) {
    return Release.newBuilder()
        .setRelease(7)
        .setStatus(ReleaseStatus.REJECTED)
        .setAt(Instant.parse("2026-01-02T03:04:05.006Z"))
        .setReason("too low")
        .setPlan(
            MergePlan.newBuilder()
                .setRelease(7)
                .setCreatedAt(Instant.parse("2026-01-02T03:04:05Z"))
                .setCause("a arrived")
                .setBaseModel("b")
                .setBaseVersion(3)
                .setMethod(MergeMethods.fisher(List.of("head"), true, 1e-6, null))
                .setModels(
                    List.of(
                        new PlannedModel(
                            "a", 4L, 1, 0.5, List.of(), 2.25, 1.0, 1L, 0.125, 1.0, 0.25)))
                .setLeftOut(List.of(new LeftOutModel("c", 2L, "too much", false)))
                .setWarnings(List.of("look"))
                .setRetired(List.of(new RetiredModel("old", 8L)))
                .build())
        .setSlices(List.of(new TopicSlice(1, 10L, 19L)))
        .setShards(9)
        .setChecksum("00ff00ff00ff00ff")
        .setUnweighted(2)
        .setVerdict(verdict)
        .build();
  }

  @Test
  void theWholeRecordIsOneLineWithKeysInSnakeCase() throws IOException {
    GateVerdict verdict =
        new GateVerdict(
            false,
            "too low",
            0.75,
            6L,
            0.875,
            0.05,
            List.of(new TaskAccuracy("t", 4L, 0.75, 0.5)),
            false,
            List.of("m@1"),
            List.of(new LeftOutModel("m", 1L, "it fell", true)));

    String text = ReleaseJson.text(release(verdict));

    assertThat(text)
        .isEqualTo(
            "{"
                + SHARED
                + ",\"plan\":{"
                + PLAN
                + ",\"retired\":[{\"model\":\"old\",\"version\":8}]},"
                + "\"slices\":[{\"partition\":1,\"first_offset\":10,\"end_offset\":19}],"
                + "\"verdict\":{\"passed\":false,\"held\":false,\"reason\":\"too low\",\"accuracy\":0.75,"
                + "\"reference_release\":6,\"reference_accuracy\":0.875,\"largest_drop\":0.05,\"suspects\":[\"m@1\"],"
                + "\"leave_out\":[{\"model\":\"m\",\"version\":1,\"reason\":\"it fell\",\"by_gate\":true}],"
                + "\"tasks\":[{\"task\":\"t\",\"examples\":4,\"accuracy\":0.75,\"loss\":0.5}]}}");
    assertThat(new ObjectMapper().readTree(text).path("verdict").path("passed").isBoolean())
        .isTrue();
  }

  @Test
  void aReleaseThatNoGateJudgedHasANullVerdict() {
    assertThat(ReleaseJson.text(release(null))).endsWith(",\"verdict\":null}");
  }

  @Test
  void aWebhooksPartHasNeitherOffsetsNorVerdict() throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
      json.writeStartObject();
      ReleaseJson.write(json, release(null));
      json.writeEndObject();
    }

    assertThat(text).hasToString("{" + SHARED + ",\"plan\":{" + PLAN + "}}");
  }
}
