package io.fisherstreams.record.serde;

import java.nio.ByteBuffer;
import org.apache.avro.io.BinaryData;
import org.apache.avro.io.BinaryEncoder;

/** Counts the bytes of Avro binary without writing any. */
final class SizingEncoder extends BinaryEncoder {
  private final byte[] scratch = new byte[12];
  private long bytes;

  long bytes() {
    return bytes;
  }

  @Override
  protected void writeZero() {
    bytes++;
  }

  @Override
  public int bytesBuffered() {
    return 0;
  }

  @Override
  public void flush() {}

  @Override
  public void writeBoolean(boolean value) {
    bytes++;
  }

  @Override
  public void writeInt(int value) {
    bytes += BinaryData.encodeInt(value, scratch, 0);
  }

  @Override
  public void writeLong(long value) {
    bytes += BinaryData.encodeLong(value, scratch, 0);
  }

  @Override
  public void writeFloat(float value) {
    bytes += Float.BYTES;
  }

  @Override
  public void writeDouble(double value) {
    bytes += Double.BYTES;
  }

  @Override
  public void writeFixed(byte[] value, int start, int length) {
    bytes += length;
  }

  @Override
  public void writeFixed(ByteBuffer value) {
    bytes += value.remaining();
  }

  @Override
  public void writeBytes(ByteBuffer value) {
    writeInt(value.remaining());
    bytes += value.remaining();
  }
}
