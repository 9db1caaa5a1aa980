package io.fisherstreams.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

final class VersionChoiceTest {
  private static final long NOW = 1000;

  private static ModelManifest manifest(long version, String hash, long examples) {
    List<TensorInfo> tensors = List.of(new TensorInfo("w", DType.F32, List.of(2L)));
    return Manifests.fineTuned("m", version, tensors, MergeSet.of(tensors, List.of()), false)
        .setContentHash(hash)
        .setExamples(examples)
        .build();
  }

  private static long choose(long known, ModelManifest next, OptionalLong asked) {
    return VersionChoice.of(Optional.of(manifest(known, "hash", 1)), next, asked, NOW);
  }

  @Test
  void aNewModelGetsTheTimeOrTheVersionAskedFor() {
    ModelManifest next = manifest(0, "hash", 1);

    assertThat(VersionChoice.of(Optional.empty(), next, OptionalLong.empty(), NOW)).isEqualTo(NOW);
    assertThat(VersionChoice.of(Optional.empty(), next, OptionalLong.of(3), NOW)).isEqualTo(3);
  }

  @Test
  void theSameContentAndSettingsKeepTheVersion() {
    assertThat(choose(5, manifest(0, "hash", 1), OptionalLong.empty())).isEqualTo(5);
    assertThat(choose(5, manifest(0, "hash", 1), OptionalLong.of(5))).isEqualTo(5);
    assertThat(choose(5, manifest(0, "hash", 1), OptionalLong.of(6))).isEqualTo(6);
  }

  @Test
  void otherContentOrSettingsGetAHigherVersion() {
    assertThat(choose(5, manifest(0, "other", 1), OptionalLong.empty())).isEqualTo(NOW);
    assertThat(choose(5, manifest(0, "hash", 2), OptionalLong.empty())).isEqualTo(NOW);
    assertThat(choose(2 * NOW, manifest(0, "other", 1), OptionalLong.empty()))
        .isEqualTo(2 * NOW + 1);
    assertThat(choose(5, manifest(0, "other", 1), OptionalLong.of(6))).isEqualTo(6);
  }

  @Test
  void aVersionThatIsNotHigherIsRejected() {
    assertThatThrownBy(() -> choose(5, manifest(0, "other", 1), OptionalLong.of(5)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll("m has version 5", "--model-version must be higher", "found 5");
  }
}
