package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Role;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the gradient stage reads in a manifest. */
class EstimatedModelTest {
  private static Estimator estimator(Estimation estimation) {
    ModelManifest manifest =
        ModelManifest.newBuilder()
            .setModel("a")
            .setVersion(1)
            .setRole(Role.FINE_TUNED)
            .setParameters(List.of())
            .setEstimation(estimation)
            .build();
    return EstimatedModel.of(manifest).estimator();
  }

  @Test
  void theExactEstimatorAcceptsTheManifestsVocabulary() {
    assertThat(estimator(new Estimation("exact", 1, 0L, 8, List.of(), 300)))
        .isEqualTo(new Estimator.Exact(300));
  }

  @Test
  void aManifestWithoutALimitHasTheCommandLinesDefault() {
    assertThat(estimator(Estimation.newBuilder().setEstimator("exact").build()))
        .isEqualTo(new Estimator.Exact());
  }
}
