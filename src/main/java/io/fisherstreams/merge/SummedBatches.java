package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SummedBatch;
import io.fisherstreams.record.GradientBatch;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * What the newest batches held that went into a shard's sealed sums, by checksum: their records are
 * retired, and a batch that comes again under one of their names must be told from other content.
 */
final class SummedBatches {
  /** About 25 bytes each, in every state of a shard that the changelog gets. */
  static final int MAX_BATCHES = 64;

  private SummedBatches() {}

  /** Adds batches, oldest first, and forgets the oldest beyond {@value #MAX_BATCHES}. */
  static void add(List<SummedBatch> summed, List<OpenBatch> batches) {
    for (OpenBatch batch : batches) {
      summed.add(
          new SummedBatch(
              batch.getSource(),
              batch.getSequence(),
              content(batch.getCrc(), batch.getExamples(), batch.getMultiplier())));
    }
    summed.subList(0, Math.max(0, summed.size() - MAX_BATCHES)).clear();
  }

  /** Whether a batch of this name is known, and with other content. */
  static boolean differs(List<SummedBatch> summed, GradientBatch record, int crc) {
    int content = content(crc, record.getExamples(), Intake.multiplier(record));
    return summed.stream()
        .filter(batch -> batch.getSource().equals(record.getSource()))
        .filter(batch -> batch.getSequence() == record.getSequence())
        .anyMatch(batch -> batch.getContent() != content);
  }

  private static int content(int crc, long examples, double multiplier) {
    ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES + Long.BYTES + Double.BYTES);
    return PayloadFile.crc(bytes.putInt(crc).putLong(examples).putDouble(multiplier).flip());
  }
}
