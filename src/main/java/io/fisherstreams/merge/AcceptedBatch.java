package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import java.nio.ByteBuffer;

/**
 * An accepted gradient batch whose record is still in use: it belongs to an open epoch, or is a
 * sealed epoch.
 *
 * @param file the local file with its payload, or the file to which its payload is restored
 * @param open the batch of the open epoch, null when it is sealed
 * @param sealed the sealed epoch, null when it is open
 */
record AcceptedBatch(PayloadName file, OpenBatch open, SealedFisher sealed) {
  static AcceptedBatch of(PayloadName file, OpenBatch open) {
    return new AcceptedBatch(file, open, null);
  }

  static AcceptedBatch of(SealedFisher sealed) {
    return new AcceptedBatch(PayloadName.fisher(sealed.getEpoch()), null, sealed);
  }

  /** Its example count. */
  long examples() {
    return open != null ? open.getExamples() : Math.round(sealed.getExamples());
  }

  /** The factor by which the entries of its payload give sums of squares. */
  double multiplier() {
    return open != null ? open.getMultiplier() : sealed.getExamples() / sealed.getDivisor();
  }

  /** CRC-32C of its payload. */
  int crc() {
    return open != null ? open.getCrc() : sealed.getCrc();
  }

  /** The dense encoding of its payload. */
  Encoding encoding() {
    return multiplier() == 1 ? Encoding.SQUARED_SUM : Encoding.MEAN_SQUARE;
  }

  /** The factor by which the entries of a batch's payload give sums of squares. */
  static double multiplier(GradientBatch record) {
    return record.getEncoding() == Encoding.MEAN_SQUARE ? record.getExamples() : 1;
  }

  /** Whether a record with this payload has the same content. */
  boolean isSameAs(GradientBatch record, ByteBuffer payload) {
    return examples() == record.getExamples()
        && multiplier() == multiplier(record)
        && crc() == PayloadFile.crc(payload);
  }
}
