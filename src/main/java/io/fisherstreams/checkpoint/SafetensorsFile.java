package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.SafetensorsHeader.Tensor;
import io.fisherstreams.files.MappedMemory;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/**
 * One open safetensors file, whose tensors are read through memory maps.
 *
 * <p>Opening reads and checks the header only. A tensor is mapped when it is first asked for. This
 * object is the only owner of its maps, and {@link #close()} unmaps them all: <b>a slice must not
 * be touched after that</b>, because touching unmapped memory crashes the process.
 */
final class SafetensorsFile implements AutoCloseable {
  // A map is addressed by an int. Windows of a larger tensor begin every gibibyte and reach nearly
  // two, so that a slice of up to one gibibyte is always inside the window in which it begins.
  private static final long WINDOW_STRIDE = 1L << 30;

  private final Path path;
  private final FileChannel channel;
  private final SafetensorsHeader header;

  private final Object lock = new Object();
  private final Map<Window, MappedByteBuffer> windows = new HashMap<>();
  private boolean closed;

  private record Window(String tensor, long index) {}

  private SafetensorsFile(Path path, FileChannel channel, SafetensorsHeader header) {
    this.path = path;
    this.channel = channel;
    this.header = header;
  }

  /**
   * Opens a file.
   *
   * @throws InvalidInput when it cannot be read or is not what the safetensors format defines
   */
  static SafetensorsFile open(Path file) {
    if (file.getFileName() != null && file.getFileName().toString().equals(FolderIndex.NAME)) {
      throw new InvalidInput("%s is an index: give the folder that it is in".formatted(file));
    }
    // Opening a pipe or a device would wait for it, or never end.
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new InvalidInput(file + " is no regular file");
    }
    try {
      FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
      try {
        return new SafetensorsFile(file, channel, SafetensorsHeader.read(file, channel));
      } catch (InvalidInput e) {
        channel.close();
        throw ForeignFormat.of(file)
            .map(format -> new InvalidInput(file + " " + format, e))
            .orElse(e);
      } catch (IOException | RuntimeException e) {
        channel.close();
        throw e;
      }
    } catch (NoSuchFileException e) {
      throw ForeignFormat.missing(file);
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }

  Path path() {
    return path;
  }

  SafetensorsHeader header() {
    return header;
  }

  /** See {@link Checkpoint#slice}. */
  ByteBuffer slice(Tensor tensor, long firstElement, int elements) {
    TensorInfo info = tensor.info();
    if (firstElement < 0 || elements < 0 || firstElement > info.elements() - elements) {
      throw new IndexOutOfBoundsException(
          "%d elements from %d on of tensor '%s' with %d elements"
              .formatted(elements, firstElement, shown(info.name()), info.elements()));
    }
    long from = firstElement * info.dtype().bytes();
    long bytes = (long) elements * info.dtype().bytes();
    long index = info.bytes() <= Integer.MAX_VALUE ? 0 : from / WINDOW_STRIDE;
    if (bytes > (info.bytes() <= Integer.MAX_VALUE ? Integer.MAX_VALUE : WINDOW_STRIDE)) {
      throw new IllegalArgumentException(
          "a slice of %d bytes of tensor '%s', at most %d at a time"
              .formatted(bytes, shown(info.name()), WINDOW_STRIDE));
    }
    MappedByteBuffer window;
    synchronized (lock) {
      if (closed) {
        throw new IllegalStateException(path + " is closed");
      }
      if (bytes == 0) {
        return ByteBuffer.allocate(0).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
      }
      window = windows.computeIfAbsent(new Window(info.name(), index), w -> map(tensor, w.index));
    }
    return window
        .slice((int) (from - index * WINDOW_STRIDE), (int) bytes)
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  private MappedByteBuffer map(Tensor tensor, long index) {
    String name = shown(tensor.info().name());
    long begin = tensor.position() + index * WINDOW_STRIDE;
    long size = Math.min(tensor.info().bytes() - index * WINDOW_STRIDE, Integer.MAX_VALUE);
    try {
      // Mapping beyond a file's end succeeds on some systems and kills the process on access.
      if (channel.size() < begin + size) {
        throw new InvalidInput(
            "%s was truncated while it was read: tensor '%s' reaches to byte %d, the file to %d"
                .formatted(path, name, begin + size, channel.size()));
      }
      return channel.map(FileChannel.MapMode.READ_ONLY, begin, size);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "%s: tensor '%s' cannot be mapped: %s".formatted(path, name, e.getMessage()), e);
    }
  }

  /** Unmaps everything and closes the file. Slices are invalid from now on. */
  @Override
  public void close() {
    synchronized (lock) {
      if (closed) {
        return;
      }
      closed = true;
      windows.values().forEach(MappedMemory::unmap);
      windows.clear();
    }
    try {
      channel.close();
    } catch (IOException e) {
      // Nothing is lost: the file was only read.
    }
  }
}
