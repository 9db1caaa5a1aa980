package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.coordinator.Models.ShardSums;
import io.fisherstreams.coordinator.Models.Sums;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModels;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Five shards a model, so that ΣF is 15 and 5; ε and J from the plan. */
class EpsilonShareTest {
  private static final double EPSILON = 1e-4;

  private final PoolView pool = new PoolView(2, Map.of());

  private void ready(ModelManifest manifest, int epoch, ShardSums sums) {
    pool.announce(manifest.getModel(), manifest);
    Models.complete(manifest, 2, epoch, sums).forEach(pool::progress);
  }

  private MergePlan plan() {
    MergePlan plan = new MergePlan();
    plan.setBaseModel("base");
    plan.setBaseVersion(1L);
    plan.setMethod(Models.method(true, EPSILON));
    plan.setModels(List.copyOf(pool.propose().orElseThrow().models()));
    return plan;
  }

  @Test
  void itIsThePartOfAllWeightsThatEpsilonAdds() {
    ready(Models.base(1, Models.method(true, EPSILON)), 0, (parameter, shard) -> new Sums(0, 0));
    ready(
        Models.model("a", 1).setCoefficient(0.3).build(), 1, (parameter, shard) -> new Sums(3, 9));
    ready(
        Models.model("b", 1).setCoefficient(0.7).build(), 1, (parameter, shard) -> new Sums(1, 1));
    double a = 0.3 / (Math.sqrt(45) + EPSILON);
    double b = 0.7 / (Math.sqrt(5) + EPSILON);
    double added = EPSILON * Models.ELEMENTS;
    assertThat(PlannedModels.epsilonShare(plan()))
        .isCloseTo((a + b) * added / (a * (15 + added) + b * (5 + added)), within(1e-14));
  }
}
