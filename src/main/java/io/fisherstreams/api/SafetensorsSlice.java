package io.fisherstreams.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.files.FilePart;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.Arrays;

/**
 * Bytes to send: a beginning, then a part of a file.
 *
 * @param head sent first
 * @param position of the part in the file
 * @param length bytes of the part
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier between two methods, never compared
record SafetensorsSlice(byte[] head, long position, long length) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int ALIGNMENT = 8;

  /** A whole file. */
  static SafetensorsSlice whole(FileChannel file) throws IOException {
    return new SafetensorsSlice(new byte[0], 0, file.size());
  }

  /** One tensor of a file that this program wrote, as a file of its own. */
  static SafetensorsSlice tensor(FileChannel file, String name) throws IOException {
    ByteBuffer size = read(file, 0, Long.BYTES);
    int headerBytes = Math.toIntExact(size.getLong(0));
    JsonNode header = JSON.readTree(read(file, Long.BYTES, headerBytes).array());
    JsonNode tensor = header.get(name);
    if (tensor == null || name.equals("__metadata__")) {
      throw Problem.notFound("the release has no tensor " + name);
    }
    long begin = tensor.get("data_offsets").get(0).longValue();
    long length = tensor.get("data_offsets").get(1).longValue() - begin;
    ObjectNode own = JSON.createObjectNode();
    own.set("__metadata__", header.get("__metadata__"));
    own.putObject(name)
        .<ObjectNode>set("dtype", tensor.get("dtype"))
        .<ObjectNode>set("shape", tensor.get("shape"))
        .putArray("data_offsets")
        .add(0)
        .add(length);
    byte[] text = JSON.writeValueAsBytes(own);
    int padded = (text.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    byte[] head = new byte[Long.BYTES + padded];
    Arrays.fill(head, (byte) ' ');
    ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).putLong(padded).put(text);
    return new SafetensorsSlice(head, Long.BYTES + headerBytes + begin, length);
  }

  /** All bytes. */
  long size() {
    return head.length + length;
  }

  private static ByteBuffer read(FileChannel file, long position, int bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (!FilePart.read(file, position, buffer)) {
      throw new EOFException("the file ends early");
    }
    return buffer.flip();
  }

  /** Fills an array with the bytes from an offset on; returns how many. */
  int read(FileChannel file, long offset, byte[] into, int most) throws IOException {
    if (offset < head.length) {
      int count = (int) Math.min(most, head.length - offset);
      System.arraycopy(head, (int) offset, into, 0, count);
      return count;
    }
    int count = file.read(ByteBuffer.wrap(into, 0, most), position + offset - head.length);
    if (count < 0) {
      throw new EOFException("the file ends early");
    }
    return count;
  }
}
