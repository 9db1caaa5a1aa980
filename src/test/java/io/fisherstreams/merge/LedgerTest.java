package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.RejectedRecord;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LedgerTest {
  @TempDir private Path directory;
  private MergePartition partition;
  private Ledger ledger;

  @BeforeEach
  void open() {
    partition = new MergePartition(directory);
    ledger = partition.context.ledger();
  }

  @AfterEach
  void close() {
    partition.close();
  }

  private KnownModel twoShards() {
    return partition.model(manifest("a", 1), parameter("v", 1), parameter("w", 1));
  }

  private void assertCounts(KnownModel model, int present, int epoch, Integer... sealed) {
    assertThat(ledger.counts(model)).isEqualTo(new ModelCounts(present, epoch, List.of(sealed)));
  }

  @Test
  void onlyTheNewestVersionIsAdmitted() {
    twoShards();
    assertThatThrownBy(() -> ledger.admit(new ModelVersion("a", 0)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessage("a@0 is stale: the current version is 1");
    assertThatThrownBy(() -> ledger.admit(new ModelVersion("a", 2)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessage("a@2 is unknown: the newest version is 1");
    assertThatThrownBy(() -> ledger.admit(new ModelVersion("b", 1)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessage("model b is unknown or withdrawn");
  }

  @Test
  void aLowerManifestThatArrivesLaterDoesNotStopAVersionThatIsHeld() {
    KnownModel held = partition.model(manifest("a", 3), parameter("w", 1));
    partition.catalog.put("a", ModelManifest.newBuilder(held.manifest()).setVersion(2).build());
    assertThat(ledger.admit(new ModelVersion("a", 3))).isSameAs(held);
  }

  @Test
  void theManifestOfTheFirstShardAppliesToTheWholeVersion() {
    KnownModel held = twoShards();
    partition.catalog.put(
        "a", manifest("a", 1).setRole(held.manifest().getRole()).setParameters(List.of()).build());
    assertThat(ledger.admit(new ModelVersion("a", 1)).manifest().getParameters()).hasSize(2);
  }

  @Test
  void versionsOfAModelAreFoundAndOthersAreNot() {
    for (String model : List.of("a", "a-b", "aa")) {
      for (long version : new long[] {1, 2, 10}) {
        partition.model(manifest(model, version), parameter("w", 1));
      }
    }
    assertThat(ledger.heldVersions("a"))
        .extracting(ModelVersion::toString)
        .containsExactlyInAnyOrder("a@1", "a@2", "a@10");
    assertThat(Ledger.modelId("a/b@10/x@y/z[3]")).isEqualTo("a/b@10");
  }

  @Test
  void anEpochIsCompleteWhenItsLastShardIsSealed() {
    KnownModel model = twoShards();
    assertThat(ledger.countSealed(model, 1)).isFalse();
    assertThat(ledger.countSealed(model, 2)).isFalse();
    assertCounts(model, 0, 0, 1, 1);
    assertThat(ledger.countSealed(model, 1)).isTrue();
    assertCounts(model, 0, 1, 1);
    assertThat(ledger.countSealed(model, 2)).isTrue();
    assertCounts(model, 0, 2);
    assertThat(ledger.arrivals()).isEqualTo(4);
  }

  @Test
  void theCoordinatorWaitsForAModelThatCanBeMerged() {
    KnownModel model = twoShards();
    ledger.countPresent(model);
    ledger.countPresent(model);
    ledger.countSealed(model, 1);
    assertThat(ledger.hasCompleted()).isFalse();
    ledger.countSealed(model, 1);
    assertThat(ledger.hasCompleted()).isTrue();
    assertThat(ledger.takeChanged()).containsExactly(model);
    assertThat(ledger.hasCompleted()).isFalse();
    assertThat(ledger.takeChanged()).isEmpty();
  }

  @Test
  void aLostFisherLeavesItsEpochsToAllOtherShards() {
    KnownModel model =
        partition.model(manifest("a", 1), parameter("u", 1), parameter("v", 1), parameter("w", 1));
    for (int epoch = 1; epoch <= 2; epoch++) {
      for (int shard = 0; shard < 3; shard++) {
        ledger.countSealed(model, epoch);
      }
    }
    ledger.countSealed(model, 3);
    assertCounts(model, 0, 2, 1);
    ledger.countLostFisher(model, 3); // the shard that was ahead
    assertCounts(model, 0, 0, 2, 2, 0);
    ledger.countLostFisher(model, 2);
    assertCounts(model, 0, 0, 1, 1, 0);
    ledger.countLostFisher(model, 0); // it had only open batches
    assertCounts(model, 0, 0, 1, 1, 0);
    assertThat(ledger.losses()).isEqualTo(3);
    assertThat(ledger.hasCompleted()).as("it is reported at once").isTrue();
  }

  @Test
  void aLostCheckpointShardIsNotPresent() {
    KnownModel model = twoShards();
    ledger.countPresent(model);
    ledger.countPresent(model);
    ledger.countLostCheckpoint(model);
    assertCounts(model, 1, 0);
    assertThat(ledger.losses()).isEqualTo(1);
  }

  @Test
  void aRemovedVersionIsForgottenAndNotReported() {
    KnownModel model = twoShards();
    ledger.countPresent(model);
    ledger.remove(model);
    assertThat(ledger.held(model.version())).isEmpty();
    assertThat(ledger.takeChanged()).isEmpty();
    assertCounts(model, 0, 0);
  }
}
