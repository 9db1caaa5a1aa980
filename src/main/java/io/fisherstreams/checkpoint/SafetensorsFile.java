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
import java.util.Locale;
import java.util.Map;

/**
 * One open safetensors file, whose tensors are read through memory maps.
 *
 * <p>Opening reads and checks the header only. A part of the file is mapped when a tensor in it is
 * first asked for. This object is the only owner of its maps, and {@link #close()} unmaps them all:
 * <b>a slice must not be touched after that</b>, because touching unmapped memory crashes the
 * process.
 */
final class SafetensorsFile implements AutoCloseable {
  // A map is addressed by an int. Windows begin every gibibyte and reach nearly two, so that a
  // slice
  // of up to one gibibyte is always inside the window in which it begins. Tensors of up to a
  // gibibyte
  // share the windows of the file: a process has 65,530 maps, and a file may have more tensors.
  private static final long WINDOW_STRIDE = 1L << 30;

  private final Path path;
  private final FileChannel channel;
  private final SafetensorsHeader header;

  private final Object lock = new Object();
  private final Map<Window, MappedByteBuffer> windows = new HashMap<>();
  private boolean closed;

  /**
   * A part of the file that is mapped at once.
   *
   * @param begin offset in the file of its first byte
   * @param end offset behind the last byte that it may need
   */
  private record Window(long begin, long end) {}

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

  /** One of its tensors, by its name in the file. */
  TensorSlices slices(String name) {
    return new FileTensor(this, header.tensors().get(name));
  }

  private record FileTensor(SafetensorsFile file, Tensor tensor) implements TensorSlices {
    @Override
    public TensorInfo info() {
      return tensor.info();
    }

    @Override
    public ByteBuffer slice(long firstElement, int elements) {
      return file.slice(tensor, firstElement, elements);
    }
  }

  /** See {@link Checkpoint#slice}. */
  private ByteBuffer slice(Tensor tensor, long firstElement, int elements) {
    TensorInfo info = tensor.info();
    if (firstElement < 0 || elements < 0 || firstElement > info.elements() - elements) {
      throw new IndexOutOfBoundsException(
          String.format(
              Locale.ROOT,
              "%d elements from %d on of tensor '%s' with %d elements",
              elements,
              firstElement,
              shown(info.name()),
              info.elements()));
    }
    long from = firstElement * info.dtype().bytes();
    long bytes = (long) elements * info.dtype().bytes();
    if (bytes > (info.bytes() <= Integer.MAX_VALUE ? Integer.MAX_VALUE : WINDOW_STRIDE)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "a slice of %d bytes of tensor '%s', at most %d at a time",
              bytes,
              shown(info.name()),
              WINDOW_STRIDE));
    }
    MappedByteBuffer window;
    Window place;
    synchronized (lock) {
      if (closed) {
        throw new IllegalStateException(path + " is closed");
      }
      if (bytes == 0) {
        return ByteBuffer.allocate(0).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
      }
      place = window(tensor, from);
      window = windows.computeIfAbsent(place, w -> map(tensor, w));
    }
    long offset = tensor.position() + from - place.begin;
    if (offset + bytes > window.capacity()) {
      throw truncated(tensor, place.begin + window.capacity());
    }
    return window.slice((int) offset, (int) bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static Window window(Tensor tensor, long from) {
    long bytes = tensor.info().bytes();
    if (bytes <= WINDOW_STRIDE) {
      return new Window(tensor.position() / WINDOW_STRIDE * WINDOW_STRIDE, Long.MAX_VALUE);
    }
    long first = bytes <= Integer.MAX_VALUE ? 0 : from / WINDOW_STRIDE * WINDOW_STRIDE;
    return new Window(tensor.position() + first, tensor.position() + bytes);
  }

  private MappedByteBuffer map(Tensor tensor, Window window) {
    try {
      // Mapping beyond a file's end succeeds on some systems and kills the process on access.
      long end = channel.size();
      if (end < tensor.position() + tensor.info().bytes()) {
        throw truncated(tensor, end);
      }
      long size = Math.min(Math.min(window.end, end) - window.begin, Integer.MAX_VALUE);
      return channel.map(FileChannel.MapMode.READ_ONLY, window.begin, size);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "%s: tensor '%s' cannot be mapped: %s"
              .formatted(path, shown(tensor.info().name()), e.getMessage()),
          e);
    }
  }

  private InvalidInput truncated(Tensor tensor, long end) {
    return new InvalidInput(
        String.format(
            Locale.ROOT,
            "%s was truncated while it was read: tensor '%s' reaches to byte %d, the file to %d",
            path,
            shown(tensor.info().name()),
            tensor.position() + tensor.info().bytes(),
            end));
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
