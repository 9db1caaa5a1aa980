package io.fisherstreams.record;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * What one merged shard adds to its release's checksum. The checksum is the sum of these modulo
 * 2⁶⁴, so it does not depend on how shards are spread over partitions or in which order they were
 * merged.
 */
public final class ReleaseDigest {
  private ReleaseDigest() {}

  /**
   * The first eight bytes, big-endian, of SHA-256 of {@code "parameter[shard] crc32c"}, the
   * checksum as eight hex digits.
   */
  public static long of(String parameter, int shard, int crc32c) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256")
              .digest(
                  String.format("%s[%d] %08x", parameter, shard, crc32c)
                      .getBytes(StandardCharsets.UTF_8));
      return ByteBuffer.wrap(digest).getLong();
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}
