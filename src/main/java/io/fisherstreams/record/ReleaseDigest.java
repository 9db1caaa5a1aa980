package io.fisherstreams.record;

import io.fisherstreams.files.Sha256;
import java.nio.ByteBuffer;
import java.util.Locale;

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
    String text = String.format(Locale.ROOT, "%s[%d] %08x", parameter, shard, crc32c);
    return ByteBuffer.wrap(Sha256.of(text)).getLong();
  }
}
