package io.fisherstreams.record.serde;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.Decoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.Utf8;

/**
 * Reads Avro binary from an array. A value of type bytes is a view of the array, not a copy:
 * payloads are a mebibyte each, and no code changes a record that was read.
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

  @Override
  public ByteBuffer readBytes(ByteBuffer unused) throws IOException {
    long length = decoder.readLong();
    int position = end - decoder.remainingBytes();
    if (length < 0) {
      throw new AvroRuntimeException("bytes of length " + length);
    }
    if (length > end - position) {
      throw new EOFException(length + " bytes, but only " + (end - position) + " follow");
    }
    decoder.skipFixed((int) length);
    return ByteBuffer.wrap(bytes, position, (int) length).slice();
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
    return decoder.readString(old);
  }

  @Override
  public String readString() throws IOException {
    return decoder.readString();
  }

  @Override
  public void skipString() throws IOException {
    decoder.skipString();
  }

  @Override
  public void skipBytes() throws IOException {
    decoder.skipBytes();
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
    return decoder.readArrayStart();
  }

  @Override
  public long arrayNext() throws IOException {
    return decoder.arrayNext();
  }

  @Override
  public long skipArray() throws IOException {
    return decoder.skipArray();
  }

  @Override
  public long readMapStart() throws IOException {
    return decoder.readMapStart();
  }

  @Override
  public long mapNext() throws IOException {
    return decoder.mapNext();
  }

  @Override
  public long skipMap() throws IOException {
    return decoder.skipMap();
  }

  @Override
  public int readIndex() throws IOException {
    return decoder.readIndex();
  }
}
