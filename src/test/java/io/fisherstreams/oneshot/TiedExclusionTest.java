package io.fisherstreams.oneshot;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a merge does and says when its patterns match one or both names of a tied parameter. */
class TiedExclusionTest {
  private static final String HEAD = "lm_head.weight";
  private static final String EMBEDDING = "wte.weight";
  private static final double[] OF_BASE = {1, 2};
  private static final double[] OF_MODEL = {3, 5};

  @TempDir private Path directory;
  private final List<String> warnings = new ArrayList<>();

  @BeforeEach
  void models() throws IOException {
    write("base", OF_BASE);
    write("model", OF_MODEL);
  }

  /** An excluded head is the merged embedding nevertheless. */
  @Test
  void anExcludedHeadFollowsTheMergedEmbedding() throws IOException {
    OneShotMerge.Result result = merge("lm_head");

    assertOutput(OF_MODEL);
    assertThat(warnings)
        .singleElement()
        .asString()
        .contains("'lm_head.weight' is excluded, but tied to 'wte.weight'")
        .contains("exclude 'wte.weight'")
        .contains("\"tie_word_embeddings\": false");
    assertThat(result.tensors().lines()).containsAll(warnings);
    assertThat(Files.readString(directory.resolve("merged/README.md"))).contains(warnings);
  }

  @Test
  void withAnExcludedEmbeddingTheHeadKeepsTheBasesValue() throws IOException {
    OneShotMerge.Result result = merge("wte");

    assertOutput(OF_BASE);
    assertThat(warnings)
        .containsExactly(
            "'wte.weight' is excluded, and 'lm_head.weight' is tied to it: both keep the base's"
                + " value");
    assertThat(result.tensors().lines()).containsAll(warnings);
  }

  @Test
  void nothingIsSaidWhenBothAreExcluded() throws IOException {
    merge("wte", "lm_head");

    assertOutput(OF_BASE);
    assertThat(warnings).isEmpty();
  }

  @Test
  void nothingIsSaidWhenBothAreMerged() throws IOException {
    merge("other");

    assertOutput(OF_MODEL);
    assertThat(warnings).isEmpty();
  }

  private OneShotMerge.Result merge(String... patterns) throws IOException {
    Path yaml = directory.resolve("merge.yaml");
    Files.writeString(
        yaml,
        """
        base: base
        models: [{name: a, checkpoint: model}]
        method: {name: task_arithmetic, scale: 1, exclude_param_names_regex: [%s]}
        """
            .formatted(String.join(", ", patterns)));
    return OneShotMerge.run(
        new OneShotMerge.Inputs(
            MergeFile.read(yaml),
            directory.resolve("merged"),
            Long.MAX_VALUE,
            Optional.empty(),
            false,
            false,
            false,
            1,
            1,
            KernelName.AUTO,
            Optional.empty(),
            GradientOptions.standard(),
            Optional.empty()),
        new MergeListener() {
          @Override
          public TaskProgress begin(String task, Unit unit) {
            return TaskProgress.NONE;
          }

          @Override
          public void warn(String message) {
            warnings.add(message);
          }

          @Override
          public void note(String message) {}
        });
  }

  private void assertOutput(double[] expected) {
    try (Checkpoint merged = Checkpoint.open(directory.resolve("merged"))) {
      for (String name : List.of(HEAD, EMBEDDING)) {
        assertThat(values(merged, name)).as(name).containsExactly(expected);
      }
      assertThat(values(merged, "w")).as("w").containsExactly(OF_MODEL);
    }
  }

  private static double[] values(Checkpoint file, String name) {
    ByteBuffer bytes = file.slice(name, 0, 2);
    return new double[] {
      FloatCodec.toDouble(DType.F32, bytes, 0), FloatCodec.toDouble(DType.F32, bytes, 1)
    };
  }

  private void write(String name, double[] values) throws IOException {
    List<TensorInfo> tensors = new ArrayList<>();
    for (String tensor : List.of(HEAD, EMBEDDING, "w")) {
      tensors.add(new TensorInfo(tensor, DType.F32, List.of(1L, 2L)));
    }
    try (CheckpointWriter writer =
        CheckpointWriter.folder(directory.resolve(name), tensors, Map.of(), Long.MAX_VALUE)) {
      for (TensorInfo tensor : tensors) {
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.bytes());
        FloatCodec.fromDouble(DType.F32, values, 0, values.length, bytes, 0);
        writer.write(tensor.name(), 0, bytes);
      }
      writer.addFile("config.json", "{}".getBytes(StandardCharsets.UTF_8));
      writer.commit();
    }
  }
}
