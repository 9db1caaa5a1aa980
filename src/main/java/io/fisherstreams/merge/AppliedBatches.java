package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.AppliedSource;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.merge.state.SummedBatch;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Runs;
import io.fisherstreams.record.ShardKey.BatchName;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Which gradient batches have been added to one shard, in its {@link ShardState}: the sequences of
 * each source as runs, and the content of the newest summed ones. Both have a bound, because the
 * state is written with each batch. Beyond the bound the lowest sequences of a source are closed: a
 * batch with such a sequence is neither new nor a repeat for certain.
 */
final class AppliedBatches {
  /**
   * Summed batches that a shard remembers: 25 bytes each, in every changelog entry of its state.
   */
  static final int MAX_SUMMED = 64;

  private final ShardState state;

  AppliedBatches(ShardState state) {
    this.state = state;
  }

  private Optional<AppliedSource> source(String name) {
    return state.getApplied().stream().filter(known -> known.getSource().equals(name)).findFirst();
  }

  /** Whether a batch of this name has been added since the shard was empty. */
  boolean contains(BatchName name) {
    return source(name.source())
        .filter(source -> Runs.contains(source.getRanges(), name.sequence()))
        .isPresent();
  }

  /** Whether the shard no longer knows whether a batch of this name has been added. */
  boolean isClosed(BatchName name) {
    return source(name.source())
        .filter(source -> name.sequence() < source.getFirstOpen())
        .isPresent();
  }

  /**
   * Rejects a batch of which the shard could not remember that it was added, or no longer does.
   *
   * @param shard names the shard
   */
  void requireRoom(String shard, BatchName name) {
    Optional<AppliedSource> source = source(name.source());
    if (source.isEmpty()) {
      requireRoomForSource(shard, name.source());
    } else if (isClosed(name)) {
      throw new RejectedRecord(
          RejectionKind.LIMIT,
          String.format(
              Locale.ROOT,
              "%s: %s is older than the %d runs of sequences that a shard remembers; it came before,"
                  + " or needs a sequence from %d on",
              shard,
              name,
              Limits.MAX_SEQUENCE_RUNS,
              source.get().getFirstOpen()));
    }
  }

  private void requireRoomForSource(String shard, String name) {
    int characters =
        state.getApplied().stream().mapToInt(known -> known.getSource().length()).sum();
    if (state.getApplied().size() >= Limits.MAX_SOURCES
        || characters + name.length() > Limits.MAX_SOURCES_LENGTH) {
      throw new RejectedRecord(
          RejectionKind.LIMIT,
          String.format(
              Locale.ROOT,
              "%s has batches of %d sources with %d characters; at most %d with %d are accepted",
              shard,
              state.getApplied().size(),
              characters,
              Limits.MAX_SOURCES,
              Limits.MAX_SOURCES_LENGTH));
    }
  }

  /** Records a batch as added; a source that counts up needs one run. */
  void add(String source, long sequence) {
    Optional<AppliedSource> known = source(source);
    if (known.isPresent()) {
      known.get().setRanges(Runs.with(known.get().getRanges(), sequence));
    } else {
      state
          .getApplied()
          .add(
              new AppliedSource(
                  source, new ArrayList<>(List.of(sequence, sequence)), Long.MIN_VALUE));
    }
    int runs = state.getApplied().stream().mapToInt(AppliedBatches::runs).sum();
    if (runs > Limits.MAX_SEQUENCE_RUNS) {
      close(
          state.getApplied().stream()
              .max(Comparator.comparingInt(AppliedBatches::runs))
              .orElseThrow());
    }
  }

  private static int runs(AppliedSource source) {
    return source.getRanges().size() / 2;
  }

  /** Forgets the lowest run of a source, and closes what is before the next one. */
  private static void close(AppliedSource source) {
    List<Long> rest = new ArrayList<>(source.getRanges().subList(2, source.getRanges().size()));
    source.setRanges(rest);
    source.setFirstOpen(rest.get(0));
  }

  /** Forgets everything: the shard is empty again. */
  void clear() {
    state.setApplied(new ArrayList<>());
    state.setSummed(new ArrayList<>());
  }

  /** Whether the content of a summed batch of the record's name is remembered. */
  boolean isSummed(BatchName name) {
    return state.getSummed().stream().anyMatch(batch -> isOf(batch, name));
  }

  /** Whether a summed batch of the record's name is remembered, and had different content. */
  boolean differsFromSummed(GradientBatch record, ByteBuffer payload) {
    BatchName name = new BatchName(record.getSource(), record.getSequence());
    int content =
        content(PayloadFile.crc(payload), record.getExamples(), AcceptedBatch.multiplier(record));
    return state.getSummed().stream()
        .filter(batch -> isOf(batch, name))
        .anyMatch(batch -> batch.getContent() != content);
  }

  private static boolean isOf(SummedBatch batch, BatchName name) {
    return batch.getSequence() == name.sequence() && batch.getSource().equals(name.source());
  }

  /**
   * Remembers the checksums of summed batches, the newest {@value #MAX_SUMMED}: their records are
   * retired, and a repeated batch must be distinguished from different content.
   */
  void rememberSummed(List<OpenBatch> batches) {
    List<SummedBatch> summed = state.getSummed();
    for (OpenBatch batch : batches) {
      summed.add(
          new SummedBatch(
              batch.getSource(),
              batch.getSequence(),
              content(batch.getCrc(), batch.getExamples(), batch.getMultiplier())));
    }
    summed.subList(0, Math.max(0, summed.size() - MAX_SUMMED)).clear();
  }

  private static int content(int crc, long examples, double multiplier) {
    ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES + Long.BYTES + Double.BYTES);
    return PayloadFile.crc(bytes.putInt(crc).putLong(examples).putDouble(multiplier).flip());
  }
}
