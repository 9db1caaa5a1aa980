package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gate.GateStage;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A classifier whose logits are ± its input, on two examples of two classes: with the identity as
 * its weights it gets both right, with the negative identity none.
 */
class GateIT {
  private static final List<TensorInfo> WEIGHTS =
      List.of(
          new TensorInfo("layers.0.bias", DType.F32, List.of(2L)),
          new TensorInfo("layers.0.weight", DType.F32, List.of(2L, 2L)));

  @TempDir private Path directory;

  @Test
  void aBadModelIsRejectedTheAliasStaysAndTheNextReleasePasses() throws IOException {
    GateOptions options =
        new GateOptions(
            "production",
            0.1,
            2,
            false,
            List.of(
                new GateOptions.Task(
                    "sign",
                    modelFolder(),
                    examples(),
                    Optional.empty(),
                    Optional.empty(),
                    OptionalInt.empty())));
    try (CommandPool pool = new CommandPool(directory, 2, PlanPolicy.atOnce(Set.of("good")));
        StageInstance gate =
            GateStage.create(pool.kafka, pool.topics, options, directory.resolve("gate"))) {
      pool.output("publish", "checkpoint", weights("base", 0), "--model", "base", "--base");
      publish(pool, "good", 1, 1);
      awaitComplete(pool, 1);
      pool.output("weight", "good", "2");
      awaitComplete(pool, 2);
      gate.start();
      Release first = pool.awaitRelease("a verdict", r -> r.getVerdict() != null);
      assertThat(first.getRelease()).as("the newest, when the gate first starts").isEqualTo(2);
      assertThat(first.getStatus()).isEqualTo(ReleaseStatus.COMPLETE);
      assertThat(first.getVerdict().getAccuracy()).isEqualTo(1);
      Path report = directory.resolve("report.json");
      pool.output("releases", "--fusion-bench-json", report.toString());
      JsonNode figures = new ObjectMapper().readTree(report.toFile());
      assertThat(figures.fieldNames())
          .toIterable()
          .containsExactly("model_info", "sign", "average");
      assertThat(figures.at("/model_info/all_params").asLong()).isEqualTo(6);
      assertThat(figures.at("/sign/accuracy").asDouble()).isEqualTo(1);
      assertThat(figures.at("/sign/loss").asDouble())
          .isEqualTo(first.getVerdict().getTasks().get(0).getLoss())
          .isBetween(0.0, Math.log(2))
          .isEqualTo(figures.at("/average/loss").asDouble());
      assertThat(pool.output("alias")).containsPattern("production +2 ");

      publish(pool, "bad", -1, 1e6f);
      Release rejected =
          pool.awaitRelease("a rejection", r -> r.getStatus() == ReleaseStatus.REJECTED);
      assertThat(rejected.getPlan().getModels()).hasSize(2);
      assertThat(rejected.getReason())
          .isEqualTo(
              "accuracy 0.0000 after 1.0000 of release 2: it fell by more than 0.1000; suspect: bad@"
                  + version(rejected, "bad"));
      assertThat(rejected.getVerdict().getTasks().get(0).getExamples()).isEqualTo(2);
      assertThat(pool.output("alias")).containsPattern("production +2 ");
      String id = Long.toString(rejected.getRelease());
      assertThat(pool.output("releases")).containsPattern(id + " +REJECTED .*accuracy 0.0000");
      assertThat(pool.output("status")).containsPattern("release " + id + " REJECTED .*accuracy");
      String out = directory.resolve("out.safetensors").toString();
      assertThat(pool.run("export", "--release", id, "--output", out)).isEqualTo(1);
      assertThat(Path.of(out)).doesNotExist();
      pool.output("export", "--release", id, "--force", "--output", out);
      assertThat(pool.run("alias", "set", "production", id)).isEqualTo(1);

      pool.output("withdraw", "bad");
      Release next =
          pool.awaitRelease(
              "the verdict after the withdrawal",
              r -> r.getRelease() > rejected.getRelease() && r.getVerdict() != null);
      assertThat(next.getVerdict().getPassed()).isTrue();
      assertThat(next.getVerdict().getReferenceRelease()).isEqualTo(2);
      assertThat(next.getChecksum()).isEqualTo(first.getChecksum());
      assertThat(pool.output("alias")).containsPattern("production +" + next.getRelease() + " ");
      aHeldAliasStaysUntilItIsReleased(pool);
    }
  }

  private static long version(Release release, String model) {
    return release.getPlan().getModels().stream()
        .filter(planned -> planned.getModel().equals(model))
        .findFirst()
        .orElseThrow()
        .getVersion();
  }

  @Test
  void theModelToBlameIsFoundAndLeftOutAndTheOthersGoOn() throws IOException {
    GateOptions options =
        new GateOptions(
            "production",
            0.1,
            2,
            true,
            List.of(
                new GateOptions.Task(
                    "sign",
                    modelFolder(),
                    examples(),
                    Optional.empty(),
                    Optional.empty(),
                    OptionalInt.empty())));
    PlanPolicy policy = PlanPolicy.atOnce(Set.of("good"));
    try (CommandPool pool = new CommandPool(directory, 2, policy);
        StageInstance gate =
            GateStage.create(pool.kafka, pool.topics, options, directory.resolve("gate"))) {
      pool.output("publish", "checkpoint", weights("base", 0), "--model", "base", "--base");
      publish(pool, "good", 1, 1);
      gate.start();
      pool.awaitRelease("a verdict", r -> r.getVerdict() != null);
      publish(pool, "bad", -1, 1e6f);
      Release without =
          pool.awaitRelease(
              "a release without it",
              r -> !r.getPlan().getLeftOut().isEmpty() && r.getVerdict() != null);
      assertThat(without.getVerdict().getPassed()).isTrue();
      assertThat(without.getPlan().getCause()).isEqualTo("bad left out");
      assertThat(pool.output("alias")).containsPattern("production +" + without.getRelease() + " ");
      assertThat(pool.run("status")).as("bad waits").isEqualTo(StatusCommand.WAITING);
      publish(pool, "other", 1, 1);
      Release next =
          pool.awaitRelease(
              "a release with the other",
              r -> r.getRelease() > without.getRelease() && r.getVerdict() != null);
      assertThat(next.getVerdict().getPassed()).isTrue();
      assertThat(next.getPlan().getModels())
          .extracting(PlannedModel::getModel)
          .containsExactly("good", "other");
      publish(pool, "bad", 1, 1);
      Release replaced =
          pool.awaitRelease(
              "a release with the better version",
              r -> r.getPlan().getModels().size() == 3 && r.getVerdict() != null);
      assertThat(replaced.getVerdict().getPassed()).isTrue();
      assertThat(replaced.getPlan().getLeftOut()).isEmpty();
    }
  }

  private static void awaitComplete(CommandPool pool, long release) {
    pool.awaitRelease(
        "release " + release,
        r -> r.getRelease() == release && r.getStatus() == ReleaseStatus.COMPLETE);
  }

  private static void aHeldAliasStaysUntilItIsReleased(CommandPool pool) {
    String said = pool.output("rollback", "production", "--hold");
    assertThat(said.strip()).isEqualTo("production is held at release 2");
    pool.output("weight", "good", "3");
    Release held =
        pool.awaitRelease("a verdict", r -> r.getVerdict() != null && r.getVerdict().getHeld());
    assertThat(held.getStatus()).isEqualTo(ReleaseStatus.COMPLETE);
    assertThat(pool.output("alias")).containsPattern("production +2 +held ");
    assertThat(pool.output("alias", "--json"))
        .contains("\"name\":\"production\",\"release\":2,\"held\":true");
    assertThat(pool.output("releases"))
        .containsPattern(held.getRelease() + " .*alias production is held at release 2");
    assertThat(pool.output("releases", "--json"))
        .contains("\"passed\":true,\"held\":true,\"reason\":\"accuracy 1.0000");
    assertThat(pool.output("alias", "release", "production").strip())
        .isEqualTo("production is release 2");
    pool.output("weight", "good", "4");
    Release moved =
        pool.awaitRelease(
            "the verdict without a hold",
            r -> r.getRelease() > held.getRelease() && r.getVerdict() != null);
    assertThat(moved.getVerdict().getHeld()).isFalse();
    assertThat(pool.output("alias")).containsPattern("production +" + moved.getRelease() + " ");
  }

  private String weights(String name, float sign) {
    Path file = directory.resolve(name + ".safetensors");
    float[] weight = {sign, 0, 0, sign};
    CommandPool.write(
        file, WEIGHTS, Map.of("layers.0.weight", weight, "layers.0.bias", new float[2]));
    return file.toString();
  }

  private void publish(CommandPool pool, String model, float sign, float fisher) {
    pool.output(
        "publish",
        "checkpoint",
        weights(model, sign),
        "--model",
        model,
        "--coefficient",
        fisher + "");
    pool.output("publish", "fisher", weights("fisher", 1), "--model", model);
  }

  private Path modelFolder() throws IOException {
    Path folder = Files.createDirectories(directory.resolve("model"));
    Files.writeString(
        folder.resolve("config.json"),
        "{\"model_type\": \"mlp\", \"input_size\": 2, \"num_labels\": 2}");
    return folder;
  }

  private Path examples() {
    Path file = directory.resolve("examples.safetensors");
    List<TensorInfo> infos =
        List.of(
            new TensorInfo("labels", DType.I64, List.of(2L)),
            new TensorInfo("pixel_values", DType.F32, List.of(2L, 2L)));
    try (CheckpointWriter writer = CheckpointWriter.file(file, infos, Map.of())) {
      ByteBuffer labels = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
      writer.write("labels", 0, labels.putLong(0).putLong(1).flip());
      ByteBuffer pixels = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
      writer.write(
          "pixel_values", 0, pixels.putFloat(1).putFloat(0).putFloat(0).putFloat(1).flip());
      writer.commit();
    }
    return file;
  }
}
