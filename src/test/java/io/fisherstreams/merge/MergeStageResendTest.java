package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.PoolTopics;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.Test;

/** After a rejected record, accepted content is sent again, so that it survives compaction. */
class MergeStageResendTest extends MergeStageFixture {
  @Test
  void theAcceptedContentIsTheNewestUnderItsKeyAfterARejection() {
    twoModels();
    stage.checkpoint("a", 1, "w", 0, floats(9, 9, 9));
    stage.fisher("a", 1, "w", 7, 7, 7);
    assertThat(stage.reasons())
        .satisfiesExactly(
            r -> assertThat(r).contains("w[0] of a@1 came before with other content"),
            r -> assertThat(r).contains("w[0] of a@1: file#0 came before with other content"));
    stage.compact();
    delete(stage.folder("a", 1));
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
    assertThat(stage.reasons()).isEmpty();
  }

  @Test
  void whateverIsRejectedUnderAnAcceptedShardsKeyItsContentIsSentAgain() {
    twoModels();
    List<byte[]> rejected = new ArrayList<>();
    rejected.add(bytes("garbage"));
    rejected.add(new byte[] {0, 0, 0, 0, 1, -1, -1});
    rejected.add(encode(new CheckpointShard("a", 1L, "w", 0, floats(1, 2))));
    rejected.add(encode(new CheckpointShard("a", 1L, "w", 0, floats(1, Float.NaN, 3))));
    rejected.add(encode(new CheckpointShard("a", 1L, "w", 7, floats(1, -1, 0.5f))));
    rejected.add(encode(new CheckpointShard("b", 1L, "w", 0, floats(5, 7, -2))));
    rejected.add(null);
    assertRejected(stage.topics().checkpointShards(), "w[0] a@1", rejected);
    assertRejected(stage.topics().checkpointShards(), "void[0] a@1", List.of(bytes("garbage")));
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void whateverIsRejectedUnderAnAcceptedBatchsKeyItsContentIsSentAgain() {
    twoModels();
    GradientBatch countless = squares("a", 1, 1, 2, 3);
    countless.setSource("file");
    countless.setExamples(0);
    GradientBatch unknownEncoding = GradientBatch.newBuilder(countless).setExamples(1).build();
    unknownEncoding.setEncoding(Encoding.UNKNOWN);
    GradientBatch negative = GradientBatch.newBuilder(unknownEncoding).build();
    negative.setEncoding(Encoding.SQUARED_SUM);
    negative.setData(floats(1, -2, 3));
    List<byte[]> rejected = new ArrayList<>();
    rejected.add(bytes("garbage"));
    rejected.add(encode(countless));
    rejected.add(encode(unknownEncoding));
    rejected.add(encode(negative));
    rejected.add(encode(squares("a", 1, 1, 0, 3))); // of s#0, under the key of file#0
    rejected.add(encode(squares("nobody", 1, 1, 0, 3)));
    rejected.add(null);
    assertRejected(stage.topics().gradientBatches(), "w[0] a@1 file#0", rejected);
    assertRejected(
        stage.topics().gradientBatches(), "void[0] a@1 file#0", List.of(bytes("garbage")));
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void aRejectionUnderTheKeyOfAStaleVersionIsAnsweredOnceAndTheVersionCanStillBeMerged() {
    twoModels();
    stage.announce(model("a", 2).build());
    stage.pipe(stage.topics().checkpointShards(), bytes("w[0] a@1"), bytes("garbage"));
    stage.pipe(stage.topics().gradientBatches(), bytes("w[0] a@1 file#0"), bytes("garbage"));
    assertThat(stage.reasons()).hasSize(2);
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void aSealedSumOutlivesWhateverOthersPutUnderItsKey() {
    stage.announce(model("a", 1).setExamples(2).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    for (int i = 0; i < 2; i++) {
      stage.gradients(batch("a", 1, "scale", "s", i, 1, Encoding.SQUARED_SUM, floats(0.5f)));
      stage.gradients(batch("a", 1, "void", "s", i, 1, Encoding.SQUARED_SUM, floats()));
      stage.gradients(batch("a", 1, "w", "s", i, 1, Encoding.SQUARED_SUM, floats(1, 0, 3)));
    }
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    GradientBatch forged =
        batch("a", 1, "w", "@sealed", 1, 2, Encoding.SQUARED_SUM, floats(7, 7, 7));
    assertRejected(
        stage.topics().gradientBatches(),
        "w[0] a@1 @sealed#1",
        Arrays.asList(encode(forged), bytes("garbage"), null));
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void garbageUnderTheKeyOfALostShardIsRejectedAndTheShardReportedMissing() {
    twoModels();
    stage.progress();
    stage.lose("w[0] a@1");
    delete(stage.folder("a", 1));
    stage.restart();
    stage.pipe(stage.topics().checkpointShards(), bytes("w[0] a@1"), bytes("garbage"));
    assertThat(stage.reasons()).hasSize(1);
    assertThat(stage.progress().last("a").getMissing()).containsExactly("w[0]");
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    planTwo(1);
    stage.work();
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void aRejectedRecordWhoseKeyHasNoAcceptedPayloadIsRemovedFromItsTopic() {
    twoModels();
    stage.tombstones();
    stage.pipe(topics().checkpointShards(), bytes("no shard's key"), bytes("garbage"));
    stage.checkpoint("stranger", 1, "w", 0, floats(1, 2, 3));
    stage.fisher("stranger", 1, "w", 1, 2, 3);
    assertThat(stage.reasons()).hasSize(3);
    assertThat(stage.tombstones())
        .containsExactly("no shard's key", "w[0] stranger@1", "w[0] stranger@1 file#0");
    stage.fisher("a", 1, "w", 7, 7, 7);
    assertThat(stage.reasons()).hasSize(1);
    assertThat(stage.tombstones()).as("of an accepted payload").isEmpty();
  }

  @Test
  void aGoodRecordBetweenARejectedOneAndItsTombstoneIsSentAgainAndNotReported() {
    twoModels();
    stage
        .stage()
        .driver()
        .createInputTopic(
            topics().checkpointShards().name(),
            new ByteArraySerializer(),
            new ByteArraySerializer())
        .pipeInput(
            new TestRecord<>(
                bytes("w[0] a@1"),
                null,
                new RecordHeaders().add("fisher-streams.removes-rejected", new byte[0])));
    assertThat(stage.reasons()).isEmpty();
    assertThat(stage.stage().read(topics().checkpointShards()))
        .last()
        .satisfies(
            record -> {
              assertThat(record.key()).isEqualTo(bytes("w[0] a@1"));
              assertThat(record.value()).isNotNull();
            });
  }

  private PoolTopics topics() {
    return stage.topics();
  }
}
