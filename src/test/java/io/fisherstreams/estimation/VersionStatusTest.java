package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class VersionStatusTest {
  private static final ModelVersion SECOND = new ModelVersion("m", 2);

  private final Map<String, ModelManifest> manifests = new HashMap<>();
  private final VersionStatus versions =
      new VersionStatus(
          new ModelCatalog() {
            @Override
            public Optional<ModelManifest> latest(String model) {
              return Optional.ofNullable(manifests.get(model));
            }

            @Override
            public void sync() {}

            @Override
            public void refresh() {}
          });

  private void announce(long version) {
    manifests.put(
        "m",
        ModelManifest.newBuilder(Pending.model("m", "exact", 1, 1).manifest())
            .setVersion(version)
            .build());
  }

  @Test
  void onlyTheCurrentVersionAcceptsExamples() {
    assertThat(versions.overtaken(SECOND))
        .hasValue(new Rejection(RejectionKind.UNKNOWN_MODEL, "model m is unknown or withdrawn"));
    announce(1);
    assertThat(versions.overtaken(SECOND))
        .hasValue(
            new Rejection(RejectionKind.UNKNOWN_MODEL, "m@2 is unknown: the newest version is 1"));
    announce(2);
    assertThat(versions.overtaken(SECOND)).isEmpty();
    assertThat(versions.isOvertaken(SECOND)).isFalse();
    announce(3);
    assertThat(versions.overtaken(SECOND))
        .hasValue(new Rejection(RejectionKind.STALE, "m@2 is stale: the current version is 3"));
    assertThat(versions.isOvertaken(SECOND)).isTrue();
  }

  @Test
  void anUnusableVersionStaysUnusable() {
    assertThat(versions.unusable(SECOND)).isEmpty();
    versions.markUnusable(SECOND, Pending.rejection("no config"));
    versions.markLoaded(SECOND);
    assertThat(versions.unusable(SECOND)).hasValue(Pending.rejection("no config"));
    assertThat(versions.unusable(new ModelVersion("m", 3))).isEmpty();
  }

  @Test
  void anIncompleteCheckpointIsTriedAgainAfterFiveSeconds() {
    long now = 77;
    long retry = now + Duration.ofSeconds(5).toNanos();
    assertThat(versions.mayLoad(SECOND, now)).isTrue();
    versions.markIncomplete(SECOND, now);
    assertThat(versions.mayLoad(SECOND, retry - 1)).isFalse();
    assertThat(versions.mayLoad(SECOND, retry)).isTrue();
    versions.markIncomplete(SECOND, now);
    versions.markLoaded(SECOND);
    assertThat(versions.mayLoad(SECOND, now)).isTrue();
  }
}
