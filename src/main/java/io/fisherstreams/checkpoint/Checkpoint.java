package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.MappedMemory;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A model's tensors on disk, read through memory maps: one safetensors file, or a Hugging Face
 * folder with {@code model.safetensors}, or with {@code model.safetensors.index.json} and its
 * parts.
 *
 * <p>Opening reads and checks the headers only. A tensor is mapped when it is first asked for, and
 * all maps are given back by {@link #close()}, which is the only owner they have: <b>a slice must
 * not be touched after it</b>, for its memory is gone and the process would crash. Until then
 * slices may be read from any number of threads.
 */
public final class Checkpoint implements AutoCloseable {
  /** The name of a Hugging Face folder's file when it has only one. */
  static final String SINGLE_FILE = "model.safetensors";

  // A map is addressed by an int. Windows of a larger tensor begin every gibibyte and reach nearly
  // two, so that a slice of up to one gibibyte always lies within the window it begins in.
  private static final long WINDOW_STRIDE = 1L << 30;

  private final Path path;
  private final Optional<Path> folder;
  private final SortedMap<String, TensorInfo> tensors;
  private final Map<String, String> metadata;
  private final Map<String, Source> sources;
  private final List<Part> parts;

  private final Object lock = new Object();
  private final Map<Window, MappedByteBuffer> windows = new HashMap<>();
  private boolean closed;

  private record Part(Path file, FileChannel channel, SafetensorsHeader header) {}

  private record Source(Part part, SafetensorsHeader.Tensor tensor) {}

  private record Window(String tensor, long index) {}

  private Checkpoint(Path path, Optional<Path> folder, List<Part> parts) {
    this.path = path;
    this.folder = folder;
    this.parts = parts;
    SortedMap<String, TensorInfo> infos = new TreeMap<>();
    this.sources = new HashMap<>();
    for (Part part : parts) {
      part.header
          .tensors()
          .forEach(
              (name, tensor) -> {
                infos.put(name, tensor.info());
                sources.put(name, new Source(part, tensor));
              });
    }
    this.tensors = Collections.unmodifiableSortedMap(infos);
    this.metadata = commonMetadata(parts);
  }

  /**
   * Opens a safetensors file or a Hugging Face folder.
   *
   * @throws InvalidInput when there is no such file, when a file is not what the safetensors format
   *     defines, or when a folder's index and parts disagree; the message names file and tensor
   */
  public static Checkpoint open(Path fileOrFolder) {
    if (!Files.isDirectory(fileOrFolder)) {
      return new Checkpoint(fileOrFolder, Optional.empty(), openAll(List.of(fileOrFolder)));
    }
    Path single = fileOrFolder.resolve(SINGLE_FILE);
    if (Files.exists(single)) {
      return new Checkpoint(fileOrFolder, Optional.of(fileOrFolder), openAll(List.of(single)));
    }
    if (!Files.exists(fileOrFolder.resolve(FolderIndex.NAME))) {
      throw new InvalidInput(
          "%s is no model folder: it has neither %s nor %s (convert other formats to safetensors)"
              .formatted(fileOrFolder, SINGLE_FILE, FolderIndex.NAME));
    }
    FolderIndex index = FolderIndex.read(fileOrFolder);
    List<Part> parts = openAll(new ArrayList<>(new TreeSet<>(index.parts().values())));
    try {
      checkIndex(fileOrFolder.resolve(FolderIndex.NAME), index, parts);
      return new Checkpoint(fileOrFolder, Optional.of(fileOrFolder), parts);
    } catch (RuntimeException e) {
      closeAll(parts, e);
      throw e;
    }
  }

  /** Whether a path is a file, or a folder that can be opened as a checkpoint. */
  public static boolean isIn(Path fileOrFolder) {
    return Files.isRegularFile(fileOrFolder)
        || Files.exists(fileOrFolder.resolve(SINGLE_FILE))
        || Files.exists(fileOrFolder.resolve(FolderIndex.NAME));
  }

  /** The files that hold the tensors, in the order of their names. */
  public List<Path> files() {
    return parts.stream().map(part -> part.file).sorted().toList();
  }

  /** The file or folder that was opened. */
  public Path path() {
    return path;
  }

  /** The Hugging Face folder, with {@code config.json} and the like; empty for a plain file. */
  public Optional<Path> folder() {
    return folder;
  }

  /** Every tensor by its name, in the names' natural order; cannot be modified. */
  public SortedMap<String, TensorInfo> tensors() {
    return tensors;
  }

  /**
   * The headers' {@code __metadata__}. Of several parts, the entries that no two parts give
   * different values.
   */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * A run of a tensor's flattened elements: a read-only, little-endian view of the mapped file with
   * position 0 and as many bytes as the elements take. It is valid until {@link #close()}.
   *
   * @param name a tensor of {@link #tensors()}
   * @param firstElement index of the first element
   * @param elements how many; at most 1 GiB of them from a tensor over 2 GiB
   * @throws IllegalArgumentException for an unknown name or too many elements
   * @throws IndexOutOfBoundsException when the run leaves the tensor
   * @throws IllegalStateException after {@link #close()}
   * @throws InvalidInput when the file has become shorter since it was opened
   */
  public ByteBuffer slice(String name, long firstElement, int elements) {
    Source source = sources.get(name);
    if (source == null) {
      throw new IllegalArgumentException("%s has no tensor '%s'".formatted(path, shown(name)));
    }
    TensorInfo info = source.tensor.info();
    if (firstElement < 0 || elements < 0 || firstElement > info.elements() - elements) {
      throw new IndexOutOfBoundsException(
          "%d elements from %d on of tensor '%s' with %d elements"
              .formatted(elements, firstElement, shown(name), info.elements()));
    }
    long from = firstElement * info.dtype().bytes();
    long bytes = (long) elements * info.dtype().bytes();
    long index = info.bytes() <= Integer.MAX_VALUE ? 0 : from / WINDOW_STRIDE;
    if (bytes > (info.bytes() <= Integer.MAX_VALUE ? Integer.MAX_VALUE : WINDOW_STRIDE)) {
      throw new IllegalArgumentException(
          "a slice of %d bytes of tensor '%s', at most %d at a time"
              .formatted(bytes, shown(name), WINDOW_STRIDE));
    }
    MappedByteBuffer window;
    synchronized (lock) {
      if (closed) {
        throw new IllegalStateException(path + " is closed");
      }
      if (bytes == 0) {
        return ByteBuffer.allocate(0).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
      }
      window = windows.computeIfAbsent(new Window(name, index), w -> map(source, w.index));
    }
    return window
        .slice((int) (from - index * WINDOW_STRIDE), (int) bytes)
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Gives all maps back and closes the files. Slices are invalid from here on. */
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
    closeAll(parts, null);
  }

  private static MappedByteBuffer map(Source source, long index) {
    long begin = index * WINDOW_STRIDE;
    long size = Math.min(source.tensor.info().bytes() - begin, Integer.MAX_VALUE);
    long end = source.tensor.position() + begin + size;
    try {
      // Mapping beyond a file's end succeeds on some systems and kills the process on access.
      if (source.part.channel.size() < end) {
        throw new InvalidInput(
            "%s was truncated while it was read: tensor '%s' reaches to byte %d, the file to %d"
                .formatted(
                    source.part.file,
                    shown(source.tensor.info().name()),
                    end,
                    source.part.channel.size()));
      }
      return source.part.channel.map(
          FileChannel.MapMode.READ_ONLY, source.tensor.position() + begin, size);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "%s: tensor '%s' cannot be mapped: %s"
              .formatted(source.part.file, shown(source.tensor.info().name()), e.getMessage()),
          e);
    }
  }

  private static List<Part> openAll(List<Path> files) {
    List<Part> parts = new ArrayList<>();
    try {
      for (Path file : files) {
        parts.add(openPart(file));
      }
      return List.copyOf(parts);
    } catch (RuntimeException e) {
      closeAll(parts, e);
      throw e;
    }
  }

  private static Part openPart(Path file) {
    if (file.getFileName() != null && file.getFileName().toString().equals(FolderIndex.NAME)) {
      throw new InvalidInput("%s is an index: give the folder that it lies in".formatted(file));
    }
    // Opening a pipe or a device would wait for it, or never end.
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new InvalidInput(file + " is no regular file");
    }
    try {
      FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
      try {
        return new Part(file, channel, SafetensorsHeader.read(file, channel));
      } catch (IOException | RuntimeException e) {
        channel.close();
        throw e;
      }
    } catch (NoSuchFileException e) {
      throw new InvalidInput(file + " does not exist", e);
    } catch (AccessDeniedException e) {
      throw new InvalidInput(file + " may not be read: permission denied", e);
    } catch (IOException e) {
      throw new UncheckedIOException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static void closeAll(List<Part> parts, RuntimeException because) {
    for (Part part : parts) {
      try {
        part.channel.close();
      } catch (IOException e) {
        // A file that was only read loses nothing by a failing close.
        if (because != null) {
          because.addSuppressed(e);
        }
      }
    }
  }

  private static void checkIndex(Path indexFile, FolderIndex index, List<Part> parts) {
    Map<Path, Part> byFile = new HashMap<>();
    parts.forEach(part -> byFile.put(part.file, part));
    index
        .parts()
        .forEach(
            (tensor, file) -> {
              if (!byFile.get(file).header.tensors().containsKey(tensor)) {
                throw new InvalidInput(
                    "%s says that tensor '%s' lies in %s, but it does not"
                        .formatted(indexFile, shown(tensor), file.getFileName()));
              }
            });
    for (Part part : parts) {
      for (String tensor : part.header.tensors().keySet()) {
        Path listed = index.parts().get(tensor);
        if (listed == null) {
          throw new InvalidInput(
              "%s: tensor '%s' is not listed in %s"
                  .formatted(part.file, shown(tensor), indexFile.getFileName()));
        }
        if (!listed.equals(part.file)) {
          throw new InvalidInput(
              "tensor '%s' lies in two parts, %s and %s: only one may have it"
                  .formatted(shown(tensor), listed, part.file));
        }
      }
    }
  }

  private static Map<String, String> commonMetadata(List<Part> parts) {
    Map<String, String> common = new TreeMap<>();
    Set<String> disputed = new HashSet<>();
    for (Part part : parts) {
      part.header
          .metadata()
          .forEach(
              (key, value) -> {
                String other = common.putIfAbsent(key, value);
                if (other != null && !other.equals(value)) {
                  disputed.add(key);
                }
              });
    }
    common.keySet().removeAll(disputed);
    return Collections.unmodifiableMap(common);
  }
}
