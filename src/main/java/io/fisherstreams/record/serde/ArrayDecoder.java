package io.fisherstreams.record.serde;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.Decoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.Utf8;

/**
 * Reads Avro binary from an array. A value of type bytes is a view of the array, not a copy:
 * payloads are a mebibyte each, and no code changes a record that was read.
 *
 * <p>It rejects a length or a count before it allocates or skips: Avro's own decoder allocates what
 * the record says, and skips backwards for a negative length. An item takes at least a byte, see
 * {@link WriterSchema}.
 */
final class ArrayDecoder extends Decoder {
  private final byte[] bytes;
  private final int end;
  private final BinaryDecoder decoder;

  ArrayDecoder(byte[] bytes, int offset) {
    this.bytes = bytes;
    this.end = bytes.length;
    this.decoder = DecoderFactory.get().binaryDecoder(bytes, offset, end - offset, null);
  }

  boolean isEnd() throws IOException {
    return decoder.isEnd();
  }

  /** Reads a length and skips so many bytes; returns where they begin. */
  private int skipRun() throws IOException {
    long length = decoder.readLong();
    skip(length);
    return end - decoder.remainingBytes() - (int) length;
  }

  private void skip(long length) throws IOException {
    if (length < 0) {
      throw new AvroRuntimeException("bytes of length " + length);
    }
    if (length > decoder.remainingBytes()) {
      throw new EOFException(length + " bytes, but only " + decoder.remainingBytes() + " follow");
    }
    decoder.skipFixed((int) length);
  }

  /** A block's number of items, which must fit into what follows. */
  private long items(long count) throws IOException {
    if (count < 0) {
      throw new AvroRuntimeException("a block of " + count + " items");
    }
    if (count > decoder.remainingBytes()) {
      throw new EOFException(
          count + " items, but only " + decoder.remainingBytes() + " bytes follow");
    }
    return count;
  }

  private long skipBlocks() throws IOException {
    long count = decoder.readLong();
    while (count < 0) {
      skip(decoder.readLong());
      count = decoder.readLong();
    }
    return items(count);
  }

  @Override
  public ByteBuffer readBytes(ByteBuffer unused) throws IOException {
    int start = skipRun();
    int length = end - decoder.remainingBytes() - start;
    return ByteBuffer.wrap(bytes, start, length).slice();
  }

  @Override
  public int remainingBytes() {
    return decoder.remainingBytes();
  }

  @Override
  public void readNull() throws IOException {
    decoder.readNull();
  }

  @Override
  public boolean readBoolean() throws IOException {
    return decoder.readBoolean();
  }

  @Override
  public int readInt() throws IOException {
    return decoder.readInt();
  }

  @Override
  public long readLong() throws IOException {
    return decoder.readLong();
  }

  @Override
  public float readFloat() throws IOException {
    return decoder.readFloat();
  }

  @Override
  public double readDouble() throws IOException {
    return decoder.readDouble();
  }

  @Override
  public Utf8 readString(Utf8 old) throws IOException {
    return new Utf8(readString());
  }

  @Override
  public String readString() throws IOException {
    int start = skipRun();
    int length = end - decoder.remainingBytes() - start;
    return new String(bytes, start, length, StandardCharsets.UTF_8);
  }

  @Override
  public void skipString() throws IOException {
    skipRun();
  }

  @Override
  public void skipBytes() throws IOException {
    skipRun();
  }

  @Override
  public void readFixed(byte[] target, int start, int length) throws IOException {
    decoder.readFixed(target, start, length);
  }

  @Override
  public void skipFixed(int length) throws IOException {
    decoder.skipFixed(length);
  }

  @Override
  public int readEnum() throws IOException {
    return decoder.readEnum();
  }

  @Override
  public long readArrayStart() throws IOException {
    return items(decoder.readArrayStart());
  }

  @Override
  public long arrayNext() throws IOException {
    return items(decoder.arrayNext());
  }

  @Override
  public long skipArray() throws IOException {
    return skipBlocks();
  }

  @Override
  public long readMapStart() throws IOException {
    return items(decoder.readMapStart());
  }

  @Override
  public long mapNext() throws IOException {
    return items(decoder.mapNext());
  }

  @Override
  public long skipMap() throws IOException {
    return skipBlocks();
  }

  @Override
  public int readIndex() throws IOException {
    return decoder.readIndex();
  }
}
