package io.fisherstreams.record.serde;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.apache.avro.io.BinaryData;
import org.apache.avro.io.BinaryEncoder;

/**
 * Writes Avro binary into an array of the right size, so that a payload of a mebibyte is copied
 * once.
 */
final class ArrayEncoder extends BinaryEncoder {
  private final ByteBuffer target;
  private final byte[] scratch = new byte[12];

  ArrayEncoder(ByteBuffer target) {
    this.target = target;
  }

  @Override
  protected void writeZero() {
    target.put((byte) 0);
  }

  @Override
  public int bytesBuffered() {
    return 0;
  }

  @Override
  public void flush() {}

  @Override
  public void writeBoolean(boolean value) {
    target.put((byte) (value ? 1 : 0));
  }

  @Override
  public void writeInt(int value) {
    target.put(scratch, 0, BinaryData.encodeInt(value, scratch, 0));
  }

  @Override
  public void writeLong(long value) {
    target.put(scratch, 0, BinaryData.encodeLong(value, scratch, 0));
  }

  @Override
  public void writeFloat(float value) {
    target.put(scratch, 0, BinaryData.encodeFloat(value, scratch, 0));
  }

  @Override
  public void writeDouble(double value) {
    target.put(scratch, 0, BinaryData.encodeDouble(value, scratch, 0));
  }

  @Override
  public void writeFixed(byte[] bytes, int start, int length) {
    target.put(bytes, start, length);
  }

  @Override
  public void writeFixed(ByteBuffer bytes) {
    target.put(bytes.duplicate());
  }

  @Override
  public void writeBytes(ByteBuffer bytes) throws IOException {
    int length = bytes.remaining();
    if (length == 0) {
      writeZero();
    } else {
      writeInt(length);
      target.put(bytes.duplicate());
    }
  }
}
