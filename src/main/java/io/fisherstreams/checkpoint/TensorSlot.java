package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import com.google.common.collect.Range;
import com.google.common.collect.RangeSet;
import com.google.common.collect.TreeRangeSet;
import io.fisherstreams.files.AtomicOutput.OutputFile;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Locale;

/**
 * One tensor of a file that is being written, and which of its elements have been written, in any
 * order. Safe for several threads.
 */
final class TensorSlot {
  private final TensorInfo info;
  private final OutputFile file;
  private final long position;
  private final RangeSet<Long> written = TreeRangeSet.create();

  /**
   * A tensor of which nothing has been written.
   *
   * @param file receives its bytes
   * @param position of its first byte in the file
   */
  TensorSlot(TensorInfo info, OutputFile file, long position) {
    this.info = info;
    this.file = file;
    this.position = position;
  }

  TensorInfo info() {
    return info;
  }

  /**
   * Writes a run of elements.
   *
   * @param firstElement index of the first one in the flattened tensor
   * @param bytes whole elements, from the buffer's position to its limit
   * @throws IllegalArgumentException for bytes that are not whole elements
   * @throws IndexOutOfBoundsException when the run leaves the tensor
   */
  void write(long firstElement, ByteBuffer bytes) throws IOException {
    int width = info.dtype().bytes();
    if (bytes.remaining() % width != 0) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%d bytes are no whole number of elements of tensor '%s', which is %s",
              bytes.remaining(),
              shown(info.name()),
              info.dtype()));
    }
    int elements = bytes.remaining() / width;
    if (firstElement < 0 || firstElement > info.elements() - elements) {
      throw new IndexOutOfBoundsException(
          String.format(
              Locale.ROOT,
              "%d elements from %d on of tensor '%s' with %d elements",
              elements,
              firstElement,
              shown(info.name()),
              info.elements()));
    }
    file.write(bytes, position + firstElement * width);
    markWritten(firstElement, firstElement + elements);
  }

  synchronized void markWritten(long begin, long end) {
    written.add(Range.closedOpen(begin, end));
  }

  synchronized boolean isComplete() {
    return written.encloses(all()) || info.elements() == 0;
  }

  /** The first run of elements that were never written, for a message. */
  synchronized String firstGap() {
    Range<Long> gap = written.complement().subRangeSet(all()).asRanges().iterator().next();
    return String.format(
        Locale.ROOT,
        "elements %d to %d of %d",
        gap.lowerEndpoint(),
        gap.upperEndpoint() - 1,
        info.elements());
  }

  private Range<Long> all() {
    return Range.closedOpen(0L, info.elements());
  }
}
