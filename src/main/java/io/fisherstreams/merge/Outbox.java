package io.fisherstreams.merge;

import io.fisherstreams.kafka.RejectionLog;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Stage;
import io.fisherstreams.tensor.Shard;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** Every record that one partition of the merge stage sends, on the context of its task. */
final class Outbox {
  private static final String REMOVES_REJECTED = "fisher-streams.removes-rejected";

  /** A rejected record's key, as it came, and the partition in which it is. */
  record RejectedKey(byte[] key, int partition) {}

  private final RejectionLog rejections = new RejectionLog(Stage.MERGE);
  private final ProcessorContext<Object, Object> context;

  Outbox(ProcessorContext<Object, Object> context) {
    this.context = context;
  }

  /** Sends an accepted checkpoint shard again. */
  void checkpointShard(CheckpointShard shard) {
    send(MergeTopology.TO_CHECKPOINT_SHARDS, ShardKey.of(shard), shard);
  }

  /** Sends a sealed sum, or an accepted gradient batch again. */
  void gradientBatch(GradientBatch batch) {
    send(MergeTopology.TO_GRADIENT_BATCHES, ShardKey.of(batch), batch);
  }

  /** Sends the tombstone of a checkpoint shard. */
  void retireCheckpoint(ModelVersion version, Shard shard) {
    send(MergeTopology.TO_CHECKPOINT_SHARDS, ShardKey.of(version, shard), null);
  }

  /** Sends the tombstone of a gradient batch. */
  void retireBatch(ModelVersion version, Shard shard, String source, long sequence) {
    send(MergeTopology.TO_GRADIENT_BATCHES, ShardKey.of(version, shard, source, sequence), null);
  }

  /**
   * Sends the tombstone of a rejected payload, to the partition in which that is: the key need not
   * be one of a shard, or of a shard that belongs here.
   */
  void removeRejected(boolean isCheckpoint, Record<byte[], byte[]> rejected) {
    remove(
        isCheckpoint
            ? MergeTopology.TO_REJECTED_CHECKPOINT_SHARDS
            : MergeTopology.TO_REJECTED_GRADIENT_BATCHES,
        rejected.key());
  }

  private void remove(String sink, byte[] key) {
    forward(
        sink,
        new Record<>(
            new RejectedKey(key, partition()),
            null,
            context.currentSystemTimeMs(),
            new RecordHeaders().add(REMOVES_REJECTED, new byte[0])));
  }

  /**
   * Sends the tombstone of a gradient batch that a shard gave up because another one was lost. When
   * the publisher has sent the batch again meanwhile, and it is accepted before the tombstone is
   * read, it is sent once more.
   */
  void removeLost(ModelVersion version, Shard shard, String source, long sequence) {
    byte[] key =
        ShardKey.of(version, shard, source, sequence).toString().getBytes(StandardCharsets.UTF_8);
    remove(MergeTopology.TO_REJECTED_GRADIENT_BATCHES, key);
  }

  /** Whether a tombstone is one that yields to an accepted payload of its key. */
  static boolean removesRejected(Record<byte[], byte[]> tombstone) {
    return tombstone.headers().lastHeader(REMOVES_REJECTED) != null;
  }

  /** Sends one shard of a release. */
  void merged(MergedTensor tensor) {
    send(MergeTopology.TO_MERGED_TENSORS, tensor.getParameter(), tensor);
  }

  /** Reports how much of a model version this partition has. */
  void progress(List<ModelProgress> parts) {
    for (ModelProgress part : parts) {
      ModelVersion version = new ModelVersion(part.getModel(), part.getVersion());
      report(progressKey(version, part.getPart()), new PartitionProgress(partition(), part));
    }
  }

  /** Reports that this partition has carried a plan out. */
  void done(ReleaseProgress progress) {
    report("release/" + partition(), new PartitionProgress(partition(), progress));
  }

  /** Sends the tombstones of this partition's report on a model version. */
  void retireProgress(ModelVersion version, int parts) {
    for (int part = 0; part < parts; part++) {
      report(progressKey(version, part), null);
    }
  }

  private String progressKey(ModelVersion version, int part) {
    return version + "/" + partition() + (part == 0 ? "" : "/" + part);
  }

  /** Sends a rejected record to {@code dead-letters} as it came. */
  void deadLetter(Record<byte[], byte[]> record, RecordMetadata origin, Rejection rejection) {
    rejections.rejected(origin.topic(), origin.partition(), origin.offset(), rejection);
    forward(MergeTopology.TO_DEAD_LETTERS, DeadLetters.of(record, origin, Stage.MERGE, rejection));
  }

  /** Sends a dead letter that names a record, without its content. */
  void name(Record<byte[], byte[]> record, RecordMetadata origin, Rejection rejection) {
    forward(
        MergeTopology.TO_DEAD_LETTERS,
        DeadLetters.withoutContent(record, origin, Stage.MERGE, rejection));
  }

  /**
   * Sends to {@code progress} and asks for a commit: until this thread's transaction ends, the
   * coordinator cannot read any later record of the topic, not even one that another thread sent.
   */
  private void report(String key, PartitionProgress progress) {
    send(MergeTopology.TO_PROGRESS, key, progress);
    context.commit();
  }

  /** Asks for a commit, which comes before the next step of a plan. */
  void commit() {
    context.commit();
  }

  private int partition() {
    return context.taskId().partition();
  }

  private void send(String sink, Object key, Object value) {
    forward(sink, new Record<>(key, value, System.currentTimeMillis()));
  }

  private void forward(String sink, Record<?, ?> record) {
    context.forward(record.withKey((Object) record.key()).withValue((Object) record.value()), sink);
  }
}
