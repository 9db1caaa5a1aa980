package io.fisherstreams.publish;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Role;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class VersionBindingTest {
  private static final VersionBinding NONE =
      new VersionBinding(OptionalLong.empty(), Optional.empty(), Optional.empty());

  private static ModelManifest newest(String sha256) {
    return ModelManifest.newBuilder()
        .setModel("m")
        .setVersion(7)
        .setRole(Role.FINE_TUNED)
        .setParameters(List.of())
        .setCheckpointSha256(sha256)
        .build();
  }

  private static void accepts(VersionBinding binding, String sha256, Collection<Long> earlier) {
    assertThatCode(() -> binding.require(newest(sha256), earlier)).doesNotThrowAnyException();
  }

  private static void rejects(
      VersionBinding binding, String sha256, Collection<Long> earlier, String message) {
    assertThatThrownBy(() -> binding.require(newest(sha256), earlier))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(message);
  }

  @Test
  void unboundDataIsTheNewestVersionsUnlessAnEarlierOneAwaitsItsFisher() {
    accepts(NONE, "aa", List.of());
    rejects(NONE, "aa", List.of(6L, 5L), "version 5, 6 still awaits its Fisher");
  }

  @Test
  void theNamedVersionMustBeTheNewest() {
    VersionBinding seven =
        new VersionBinding(OptionalLong.of(7), Optional.empty(), Optional.of("bb"));
    accepts(seven, "aa", List.of(6L));
    rejects(
        new VersionBinding(OptionalLong.of(6), Optional.empty(), Optional.empty()),
        "aa",
        List.of(6L),
        "--model-version is 6, but the newest version of m is 7");
  }

  @Test
  void theNamedCheckpointMustBeTheNewestVersions() {
    accepts(
        new VersionBinding(OptionalLong.empty(), Optional.of(m -> true), Optional.of("bb")),
        "aa",
        List.of(6L));
    rejects(
        new VersionBinding(OptionalLong.empty(), Optional.of(m -> false), Optional.of("aa")),
        "aa",
        List.of(),
        "--checkpoint has other content than m@7");
  }

  @Test
  void theFilesProvenanceDecidesWhereBothSidesHaveOne() {
    VersionBinding made =
        new VersionBinding(OptionalLong.empty(), Optional.empty(), Optional.of("aa"));
    accepts(made, "aa", List.of(6L));
    rejects(made, "cc", List.of(), "its checkpoint_sha256 is aa, the published one is cc");
    accepts(made, null, List.of());
    rejects(made, null, List.of(6L), "version 6 still awaits its Fisher");
  }
}
