package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fisherstreams.coordinator.PartitionReports.ShardCount;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Partition 0 has three shards of w, partition 1 one shard of w, partition 2 a shard of no Fisher.
 */
class PartitionReportsTest {
  private static final MergeSet W =
      MergeSet.of(List.of(new TensorInfo("w", DType.F32, List.of(1L))), List.of());

  private final PartitionReports reports =
      new PartitionReports(
          Map.of(0, new ShardCount(3, 3), 1, new ShardCount(1, 1), 2, new ShardCount(1, 0)),
          Map.of("w", "w"));

  private void report(int partition, int present, int epoch, int sealed, FisherSums... sums) {
    report(partition, present, epoch, sealed, List.of(), sums);
  }

  private void report(
      int partition, int present, int epoch, int sealed, List<String> missing, FisherSums... sums) {
    int fisherShards = List.of(3, 1, 0).get(partition);
    reports.add(
        partition,
        new ModelProgress(
            "m", 1L, present, present, fisherShards, epoch, sealed, missing, List.of(sums), 0, 1));
  }

  private static FisherSums sums(String total, String squares) {
    return new FisherSums("w", total, squares);
  }

  private void reportAll(int epoch) {
    report(0, 3, epoch, 0, sums("3", "12"));
    report(1, 1, epoch, 0, sums("1", "4"));
    report(2, 1, 0, 0);
  }

  @Test
  void countsAreSumsOverThePartitions() {
    assertThat(reports.expected()).isEqualTo(new ShardCount(5, 4));
    assertThat(reports.present()).isZero();
    report(0, 2, 0, 1, List.of("w[2]"));
    report(1, 1, 1, 0, sums("1", "4"));
    assertThat(reports.present()).isEqualTo(3);
    assertThat(reports.sealed()).as("one, and all of partition 1").isEqualTo(2);
    report(2, 0, 0, 0, List.of("v[0]"));
    assertThat(reports.missing()).containsExactly("v[0]", "w[2]");
  }

  @Test
  void anEpochIsSealedWhenEveryPartitionWithFishersHasReportedIt() {
    assertThat(reports.epoch()).isEmpty();
    reportAll(1);
    assertThat(reports.isPresent()).isTrue();
    assertThat(reports.epoch()).hasValue(1);
    report(0, 3, 2, 0, sums("6", "48"));
    assertThat(reports.epoch()).as("partition 1 is at 1").hasValue(1);
    assertThat(reports.has(2)).isFalse();
    report(1, 1, 2, 0, sums("2", "16"));
    assertThat(reports.epoch()).hasValue(2);
    assertThat(reports.sums(1, W)).isEqualTo(new PoolModel.Sums(4, 4));
    assertThat(reports.sums(2, W)).isEqualTo(new PoolModel.Sums(8, 8));
    reports.forgetEpochsBefore(2);
    assertThat(reports.has(1)).isFalse();
    assertThat(reports.has(2)).isTrue();
  }

  @Test
  void aPartitionThatLostAShardHasNoEpoch() {
    reportAll(1);
    report(2, 0, 0, 0);
    assertThat(reports.isPresent()).isFalse();
    assertThat(reports.epoch()).isEmpty();
    report(2, 1, 0, 0);
    assertThat(reports.epoch()).hasValue(1);
    report(0, 3, 0, 2);
    assertThat(reports.isPresent()).isTrue();
    assertThat(reports.epoch()).as("a Fisher is lost").isEmpty();
  }

  @Test
  void sumsOfParametersThatAreNotMergedAreLeftOut() {
    report(0, 3, 1, 0, sums("3", "12"), new FisherSums("v", "100", "1000"));
    report(1, 1, 1, 0, sums("1", "13"));
    report(2, 1, 0, 0);
    assertThat(reports.sums(1, W)).isEqualTo(new PoolModel.Sums(4, 5));
  }

  @Test
  void sumsThatAreNoNumbersAreRejectedAndChangeNothing() {
    reportAll(1);
    assertThatExceptionOfType(RejectedRecord.class)
        .isThrownBy(() -> report(0, 3, 2, 0, sums("NaN", "1")))
        .withMessage("the Fisher sums of w are no decimal numbers: NaN, 1");
    assertThat(reports.epoch()).hasValue(1);
    assertThat(reports.sums(1, W)).isEqualTo(new PoolModel.Sums(4, 4));
  }

  private void part(int part, int parts, FisherSums... sums) {
    reports.add(
        0, new ModelProgress("m", 1L, 3, 3, 3, 1, 0, List.of(), List.of(sums), part, parts));
  }

  @Test
  void aReportInPartsCountsOnceAllHaveArrivedOneAfterTheOther() {
    report(1, 1, 1, 0, sums("1", "4"));
    report(2, 1, 0, 0);
    part(1, 3, sums("100", "100")); // left by compaction of an earlier report
    part(2, 3, sums("100", "100"));
    assertThat(reports.epoch()).isEmpty();
    part(0, 3, sums("1", "2"));
    part(1, 3, sums("1", "4"));
    assertThat(reports.epoch()).isEmpty();
    part(0, 3, sums("1", "3")); // the report begins again
    part(2, 3, sums("100", "100"));
    part(1, 3, sums("1", "5"));
    part(1, 3, sums("100", "100"));
    assertThat(reports.epoch()).isEmpty();
    part(2, 3, sums("1", "4"));
    assertThat(reports.epoch()).hasValue(1);
    assertThat(reports.sums(1, W)).isEqualTo(new PoolModel.Sums(4, 4));
    part(0, 2, sums("1", "1"));
    assertThat(reports.epoch()).as("the earlier report counts meanwhile").hasValue(1);
  }
}
