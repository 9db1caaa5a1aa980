package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.Models.ShardSums;
import io.fisherstreams.coordinator.Models.Sums;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PoolStatusTest {
  private static final int PARTITIONS = 2;
  private static final ShardSums NINE = (parameter, shard) -> new Sums(3, 9);

  private final PoolView view = new PoolView(PARTITIONS, Map.of());
  private final ModelManifest base = Models.base(1, Models.method(true, 1e-6));
  private final ModelManifest model = Models.model("a", 1).build();

  private String state(ModelManifest manifest, Release... releases) {
    String name = manifest.getModel();
    return new PoolStatus(PARTITIONS, view, Map.of(), Map.of(), List.of(releases))
        .state(name, view.models().get(name).get(manifest.getVersion()));
  }

  private void announce(ModelManifest manifest) {
    view.announce(manifest.getModel(), manifest);
  }

  private void complete(ModelManifest manifest) {
    Models.complete(manifest, PARTITIONS, 1, NINE).forEach(view::progress);
  }

  @Test
  void aBaseModelIsReadyWhenAllItsShardsHaveArrived() {
    announce(base);
    assertThat(state(base)).isEqualTo("base, incomplete");
    complete(base);
    assertThat(state(base)).isEqualTo("base, ready");
  }

  @Test
  void aModelIsReadyWhenItsFisherAndTheBaseAreToo() {
    announce(model);
    assertThat(state(model)).isEqualTo("incomplete");
    Models.complete(model, PARTITIONS, 1, NINE)
        .forEach((partition, report) -> view.progress(partition, Models.less(report, false)));
    assertThat(state(model)).isEqualTo("awaits its Fisher");
    complete(model);
    assertThat(state(model)).isEqualTo("ready, awaits the base");
    announce(base);
    complete(base);
    assertThat(state(model)).isEqualTo("ready");
  }

  private static Release release(MergePlan.Builder plan) {
    return Release.newBuilder()
        .setRelease(1)
        .setStatus(ReleaseStatus.COMPLETE)
        .setAt(Instant.EPOCH)
        .setPlan(
            plan.setRelease(1)
                .setCreatedAt(Instant.EPOCH)
                .setBaseModel("base")
                .setBaseVersion(1)
                .setMethod(Models.method(true, 1e-6))
                .setModels(List.of())
                .build())
        .build();
  }

  @Test
  void aModelThatIsLeftOutSaysWhy() {
    for (ModelManifest manifest : List.of(base, model)) {
      announce(manifest);
      complete(manifest);
    }
    ModelManifest zero = Models.model("zero", 1).build();
    announce(zero);
    Models.complete(zero, PARTITIONS, 1, (parameter, shard) -> new Sums(0, 0))
        .forEach(view::progress);
    assertThat(state(zero, release(MergePlan.newBuilder()))).isEqualTo("ready");
    assertThat(state(zero, release(MergePlan.newBuilder().setLargestShare(0.9))))
        .startsWith("left out: its share of the merge would be 1.0000, more than 0.9");
    LeftOutModel byGate = new LeftOutModel("a", 1L, "it fell", true);
    assertThat(state(model, release(MergePlan.newBuilder().setLeftOut(List.of(byGate)))))
        .isEqualTo("left out: it fell");
    Release judged = release(MergePlan.newBuilder());
    judged.setVerdict(
        new GateVerdict(
            false, "", 0.0, 0L, null, 0.0, List.of(), false, List.of(), List.of(byGate)));
    assertThat(state(model, judged)).isEqualTo("left out: it fell");
  }

  @Test
  void aModelThatDoesNotFitTheBaseIsRejectedWithTheReason() {
    announce(base);
    complete(base);
    List<Parameter> two = Models.parameters(true).subList(0, 2);
    ModelManifest other = Models.model("b", 1).setParameters(two).build();
    announce(other);
    complete(other);
    assertThat(state(other))
        .isEqualTo("rejected: parameter weight [2, 300000] of the base model is missing");
  }
}
