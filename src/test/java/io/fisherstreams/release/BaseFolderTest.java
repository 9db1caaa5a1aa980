package io.fisherstreams.release;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BaseFolderTest {
  private static final TensorInfo EMBEDDING = tensor("wte.weight", 3, 2);
  private static final TensorInfo HEAD = tensor("lm_head.weight", 3, 2);
  private static final TensorInfo NORM = tensor("ln_f.weight", 2);

  @TempDir private Path folder;

  private static TensorInfo tensor(String name, long... shape) {
    return new TensorInfo(name, DType.F32, Arrays.stream(shape).boxed().toList());
  }

  private TiedWeights ties(List<TensorInfo> base, List<TensorInfo> release) {
    Path file = folder.resolve("model.safetensors");
    try (CheckpointWriter writer = CheckpointWriter.file(file, base, Map.of())) {
      for (TensorInfo tensor : base) {
        writer.write(tensor.name(), 0, ByteBuffer.allocate((int) tensor.bytes()));
      }
      writer.commit();
    }
    return BaseFolder.ties(folder, release);
  }

  private void assertRejected(List<TensorInfo> base, List<TensorInfo> release, String reason) {
    assertThatThrownBy(() -> ties(base, release))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("--base-folder " + folder + " is not the base of this release: " + reason);
  }

  @Test
  void theBasesTiesAreFound() {
    assertThat(ties(List.of(EMBEDDING, HEAD, NORM), List.of(EMBEDDING, NORM)).sources())
        .containsExactlyEntriesOf(Map.of("lm_head.weight", "wte.weight"));
  }

  @Test
  void aReleaseOfAnotherTypeAndTheBasesBuffersAreNoDifference() {
    TensorInfo half = new TensorInfo("wte.weight", DType.F16, List.of(3L, 2L));
    TensorInfo mask = tensor("h.0.attn.bias", 1, 1);
    TensorInfo rotary = tensor("h.0.rotary_emb.inv_freq", 2);
    assertThat(ties(List.of(EMBEDDING, mask), List.of(half, rotary)).sources()).isEmpty();
  }

  @Test
  void aFolderWithoutWeightsSaysNothing() throws IOException {
    Files.writeString(folder.resolve("config.json"), "{}");
    assertThat(BaseFolder.ties(folder, List.of(EMBEDDING)).sources()).isEmpty();
  }

  @Test
  void anotherModelIsRejected() {
    assertRejected(
        List.of(EMBEDDING),
        List.of(EMBEDDING, NORM, HEAD),
        "it lacks tensors of the release: lm_head.weight, ln_f.weight");
    assertRejected(
        List.of(EMBEDDING, tensor("ln_f.weight", 4)),
        List.of(EMBEDDING, NORM),
        "tensor 'ln_f.weight' has shape [4] there and [2] in the release");
    assertRejected(
        List.of(EMBEDDING, NORM, tensor("h.7.ln_1.weight", 2)),
        List.of(EMBEDDING, NORM),
        "it has tensors that the release lacks: h.7.ln_1.weight");
  }
}
