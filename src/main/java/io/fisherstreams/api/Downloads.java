package io.fisherstreams.api;

import io.fisherstreams.record.Release;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Semaphore;

/** Sends releases and tensors as safetensors, whole or in part. */
final class Downloads {
  private static final int BLOCK = 64 << 10;

  /** Which bytes of a release's file are sent. */
  interface Part {
    SafetensorsSlice of(FileChannel file) throws IOException;
  }

  private final ReleaseFiles files;
  private final int most;
  private final Semaphore running;

  /** Sends to so many clients at a time. */
  Downloads(ReleaseFiles files, int most) {
    this.files = files;
    this.most = most;
    this.running = new Semaphore(most);
  }

  /**
   * Answers with a part of a release.
   *
   * @param name of the file that a browser writes
   * @param tag tells this content from every other
   */
  void send(Request request, Release release, String name, String tag, Part part)
      throws IOException {
    String etag = '"' + tag + '"';
    request.set("ETag", etag);
    request.set("Cache-Control", "no-cache");
    if (request.header("If-None-Match").filter(known -> known.contains(etag)).isPresent()) {
      request.begin(304, 0);
      return;
    }
    if (!running.tryAcquire()) {
      request.set("Retry-After", "10");
      throw new Problem(
          503,
          String.format(
              Locale.ROOT, "%d downloads are running, the most allowed (api.downloads)", most));
    }
    try (FileChannel file = files.open(release)) {
      SafetensorsSlice slice = part.of(file);
      request.set("Accept-Ranges", "bytes");
      request.set("Content-Type", "application/octet-stream");
      request.set("Content-Disposition", "attachment; filename=\"" + name + "\"");
      send(request, file, slice, etag);
    } finally {
      running.release();
    }
  }

  private static void send(Request request, FileChannel file, SafetensorsSlice slice, String etag)
      throws IOException {
    // a range of another content than the client has the first part of would be worthless
    boolean isSame = request.header("If-Range").map(etag::equals).orElse(true);
    Optional<ByteRange> range = Optional.empty();
    if (isSame && request.header("Range").isPresent()) {
      try {
        range = ByteRange.of(request.header("Range").get(), slice.size());
      } catch (Problem e) {
        request.set("Content-Range", "bytes */" + slice.size());
        throw e;
      }
    }
    ByteRange sent = range.orElse(new ByteRange(0, slice.size()));
    if (range.isPresent()) {
      request.set(
          "Content-Range",
          String.format(Locale.ROOT, "bytes %d-%d/%d", sent.first(), sent.end() - 1, slice.size()));
    }
    request.begin(range.isPresent() ? 206 : 200, sent.end() - sent.first());
    if (request.isHead()) {
      return;
    }
    byte[] block = new byte[BLOCK];
    for (long offset = sent.first(); offset < sent.end(); ) {
      int count = slice.read(file, offset, block, (int) Math.min(BLOCK, sent.end() - offset));
      request.write(block, count);
      offset += count;
    }
  }
}
