package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.TensorInfo;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Writes tensors as a safetensors file or a Hugging Face folder that appears complete or not at
 * all.
 *
 * <p>Everything is written to a hidden sibling of the target ({@code .NAME.RANDOM.tmp}), which
 * {@link #commit()} renames and {@link #close()} without a commit deletes. A process that is killed
 * leaves the sibling, which may be deleted, and never touches the target. An existing file is
 * replaced by the rename; an existing folder must be empty, for a folder with content cannot be
 * replaced in one step, and may hold what nobody wants to lose.
 *
 * <p>{@link #write} may be called by several threads and in any order; writing elements again
 * replaces them.
 */
public final class CheckpointWriter implements AutoCloseable {
  private static final JsonFactory JSON = new JsonFactory();

  private static final int GAPS_SHOWN = 5;

  private final Path target;
  private final Path temporary;
  private final boolean isFolder;
  private final Map<String, Slot> slots = new TreeMap<>();
  private final Map<Path, FileChannel> files = new LinkedHashMap<>();

  // Writers share it; commit and close wait for them and keep further ones out.
  private final ReadWriteLock lock = new ReentrantReadWriteLock();
  private State state = State.OPEN;

  private enum State {
    OPEN,
    COMMITTED,
    CLOSED
  }

  private record Slot(TensorInfo info, FileChannel channel, long position, Coverage coverage) {}

  private CheckpointWriter(Path target, boolean isFolder) {
    this.target = target;
    this.isFolder = isFolder;
    this.temporary = temporarySibling(target, isFolder);
  }

  /**
   * Begins a safetensors file.
   *
   * @param target where it is to appear; an existing file is replaced on commit
   * @param tensors everything the file is to hold
   * @param metadata the header's {@code __metadata__}
   * @throws InvalidInput when the target's folder does not exist or cannot be written to, when the
   *     target is a folder, or when the tensors cannot be one safetensors file
   */
  public static CheckpointWriter file(
      Path target, Collection<TensorInfo> tensors, Map<String, String> metadata) {
    SortedMap<String, TensorInfo> byName = byName(tensors);
    SafetensorsLayout layout = SafetensorsLayout.of(byName.values(), metadata);
    CheckpointWriter writer = new CheckpointWriter(targetFile(target), false);
    try {
      writer.begin(writer.temporary, layout, byName);
      return writer;
    } catch (RuntimeException e) {
      writer.abandon(e);
      throw e;
    }
  }

  /**
   * Begins a Hugging Face folder: {@code model.safetensors}, or, when the tensors take more than
   * one part, {@code model-00001-of-0000N.safetensors} and so on with {@code
   * model.safetensors.index.json}. Parts are filled in the order of the tensors' names.
   *
   * @param target where it is to appear; an existing folder must be empty
   * @param tensors everything the folder is to hold
   * @param metadata the {@code __metadata__} of every part
   * @param maxPartBytes most bytes of tensors in a part; a larger tensor gets a part of its own
   * @throws InvalidInput when the target's parent does not exist or cannot be written to, when the
   *     target exists and is no empty folder, or when a part cannot be one safetensors file
   */
  public static CheckpointWriter folder(
      Path target,
      Collection<TensorInfo> tensors,
      Map<String, String> metadata,
      long maxPartBytes) {
    SortedMap<String, TensorInfo> byName = byName(tensors);
    List<List<TensorInfo>> parts = parts(byName.values(), maxPartBytes);
    List<SafetensorsLayout> layouts =
        parts.stream().map(part -> SafetensorsLayout.of(part, metadata)).toList();
    CheckpointWriter writer = new CheckpointWriter(targetFolder(target), true);
    try {
      SortedMap<String, String> fileOfTensor = new TreeMap<>();
      for (int i = 0; i < parts.size(); i++) {
        String name = partName(i, parts.size());
        parts.get(i).forEach(tensor -> fileOfTensor.put(tensor.name(), name));
        writer.begin(writer.temporary.resolve(name), layouts.get(i), byName);
      }
      if (parts.size() > 1) {
        writer.addFile(FolderIndex.NAME, index(byName.values(), fileOfTensor));
      }
      return writer;
    } catch (RuntimeException e) {
      writer.abandon(e);
      throw e;
    }
  }

  /**
   * Refuses a target before the work that leads to it.
   *
   * @throws InvalidInput as {@link #file} would
   */
  public static void requireFile(Path target) {
    targetFile(target);
  }

  /**
   * Refuses a target before the work that leads to it.
   *
   * @throws InvalidInput as {@link #folder} would
   */
  public static void requireFolder(Path target) {
    targetFolder(target);
  }

  /**
   * Writes a run of a tensor's flattened elements.
   *
   * @param name a tensor that was announced at the start
   * @param firstElement index of the run's first element
   * @param littleEndian the elements' bytes from the buffer's position to its limit, both of which
   *     stay as they are
   * @throws IllegalArgumentException for an unknown name, or bytes that are no whole elements
   * @throws IndexOutOfBoundsException when the run leaves the tensor
   * @throws IllegalStateException after {@link #commit()} or {@link #close()}
   * @throws UncheckedIOException when the bytes cannot be written, as on a full disk
   */
  public void write(String name, long firstElement, ByteBuffer littleEndian) {
    Slot slot = slots.get(name);
    if (slot == null) {
      throw new IllegalArgumentException("%s has no tensor '%s'".formatted(target, shown(name)));
    }
    int width = slot.info.dtype().bytes();
    ByteBuffer bytes = littleEndian.duplicate();
    if (bytes.remaining() % width != 0) {
      throw new IllegalArgumentException(
          "%d bytes are no whole number of elements of tensor '%s', which is %s"
              .formatted(bytes.remaining(), shown(name), slot.info.dtype()));
    }
    int elements = bytes.remaining() / width;
    if (firstElement < 0 || firstElement > slot.info.elements() - elements) {
      throw new IndexOutOfBoundsException(
          "%d elements from %d on of tensor '%s' with %d elements"
              .formatted(elements, firstElement, shown(name), slot.info.elements()));
    }
    lock.readLock().lock();
    try {
      requireOpen();
      writeFully(slot.channel, bytes, slot.position + firstElement * width);
      slot.coverage.add(firstElement, firstElement + elements);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "%s: tensor '%s' cannot be written".formatted(target, shown(name)), e);
    } finally {
      lock.readLock().unlock();
    }
  }

  /**
   * Adds a copy of a further file to the folder, such as {@code config.json}.
   *
   * @throws InvalidInput when the source cannot be read
   * @throws IllegalArgumentException when the name is taken or is no plain file name
   * @throws IllegalStateException for a writer of a single file, or after commit or close
   */
  public void addFile(String name, Path source) {
    if (!Files.isRegularFile(source) || !Files.isReadable(source)) {
      throw new InvalidInput(source + " is no file that can be read");
    }
    addFile(
        name,
        channel -> {
          try (FileChannel in = FileChannel.open(source, StandardOpenOption.READ)) {
            long size = in.size();
            for (long done = 0; done < size; ) {
              long copied = in.transferTo(done, size - done, channel);
              if (copied == 0) {
                throw new IOException(source + " became shorter while it was copied");
              }
              done += copied;
            }
          }
        });
  }

  /**
   * Adds a further file to the folder, such as a model card.
   *
   * @throws IllegalArgumentException when the name is taken or is no plain file name
   * @throws IllegalStateException for a writer of a single file, or after commit or close
   */
  public void addFile(String name, byte[] content) {
    addFile(name, channel -> writeFully(channel, ByteBuffer.wrap(content), 0));
  }

  /**
   * Makes the output appear: everything reaches the disk, then one rename puts it in place.
   *
   * @throws IllegalStateException when elements of a tensor were never written, naming the first of
   *     them, or after commit or close; the target is then untouched
   * @throws InvalidInput when the target folder has got content since the start
   * @throws UncheckedIOException when the output cannot be written
   */
  public void commit() {
    lock.writeLock().lock();
    try {
      requireOpen();
      requireComplete();
      for (FileChannel channel : files.values()) {
        channel.force(true);
        channel.close();
      }
      if (isFolder) {
        syncFolder(temporary);
        requireAbsentOrEmpty(target);
      }
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      state = State.COMMITTED;
      syncFolder(target.getParent());
    } catch (IOException e) {
      throw new UncheckedIOException(target + " cannot be written", e);
    } finally {
      lock.writeLock().unlock();
    }
  }

  /** Ends the writer; without a {@link #commit()} everything that was written is deleted. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (state == State.OPEN) {
        state = State.CLOSED;
        deleteTemporary();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(temporary + " cannot be deleted", e);
    } finally {
      lock.writeLock().unlock();
    }
  }

  private interface Filler {
    void fill(FileChannel channel) throws IOException;
  }

  private void begin(Path file, SafetensorsLayout layout, Map<String, TensorInfo> tensors) {
    try {
      FileChannel channel = create(file);
      writeFully(channel, ByteBuffer.wrap(layout.header()), 0);
      layout
          .positions()
          .forEach(
              (name, position) -> {
                TensorInfo info = tensors.get(name);
                slots.put(name, new Slot(info, channel, position, new Coverage(info.elements())));
              });
    } catch (IOException e) {
      throw new UncheckedIOException(target + " cannot be written", e);
    }
  }

  private void addFile(String name, Filler filler) {
    lock.writeLock().lock();
    try {
      requireOpen();
      if (!isFolder) {
        throw new IllegalStateException(target + " is a single file and takes no further ones");
      }
      if (!FolderIndex.isPlainFileName(name)) {
        throw new IllegalArgumentException("'%s' is no plain file name".formatted(shown(name)));
      }
      Path file = temporary.resolve(name);
      FileChannel channel = create(file);
      try {
        filler.fill(channel);
      } catch (IOException e) {
        // Half a file must not be committed by a caller that goes on.
        channel.close();
        Files.delete(file);
        files.remove(file);
        throw e;
      }
    } catch (FileAlreadyExistsException e) {
      throw new IllegalArgumentException(
          "%s already has a file '%s'".formatted(target, shown(name)), e);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "%s: file '%s' cannot be written".formatted(target, shown(name)), e);
    } finally {
      lock.writeLock().unlock();
    }
  }

  private FileChannel create(Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    files.put(file, channel);
    return channel;
  }

  private void requireOpen() {
    if (state != State.OPEN) {
      throw new IllegalStateException(
          "%s was already %s".formatted(target, state.name().toLowerCase(Locale.ROOT)));
    }
  }

  private void requireComplete() {
    List<Slot> incomplete =
        slots.values().stream().filter(slot -> !slot.coverage.complete()).toList();
    if (!incomplete.isEmpty()) {
      throw new IllegalStateException(
          "%s is not complete: %d of %d tensors lack elements that were never written: %s%s"
              .formatted(
                  target,
                  incomplete.size(),
                  slots.size(),
                  incomplete.stream()
                      .limit(GAPS_SHOWN)
                      .map(slot -> shown(slot.info.name()) + ": " + slot.coverage.firstGap())
                      .collect(Collectors.joining("; ")),
                  incomplete.size() > GAPS_SHOWN ? "; …" : ""));
    }
  }

  private void abandon(RuntimeException because) {
    state = State.CLOSED;
    try {
      deleteTemporary();
    } catch (IOException e) {
      because.addSuppressed(e);
    }
  }

  private void deleteTemporary() throws IOException {
    for (FileChannel channel : files.values()) {
      channel.close();
    }
    for (Path file : files.keySet()) {
      Files.deleteIfExists(file);
    }
    Files.deleteIfExists(temporary);
  }

  private static Path targetFile(Path target) {
    Path resolved = resolve(target);
    if (Files.isDirectory(resolved)) {
      throw new InvalidInput(target + " is a folder, expected a file to write");
    }
    return resolved;
  }

  private static Path targetFolder(Path target) {
    Path resolved = resolve(target);
    requireAbsentOrEmpty(resolved);
    return resolved;
  }

  /** The target without symbolic links, so that the rename replaces what a link points to. */
  private static Path resolve(Path target) {
    try {
      Path resolved = Files.exists(target) ? target.toRealPath() : target.toAbsolutePath();
      Path parent = resolved.getParent();
      if (parent == null) {
        throw new InvalidInput(target + " cannot be written to");
      }
      if (!Files.isDirectory(parent)) {
        throw new InvalidInput(
            "%s cannot be written: the folder %s does not exist; create it first"
                .formatted(target, parent));
      }
      if (!Files.isWritable(parent)) {
        throw new InvalidInput(
            "%s cannot be written: the folder %s may not be written to".formatted(target, parent));
      }
      return resolved;
    } catch (IOException e) {
      throw new UncheckedIOException(target + " cannot be written", e);
    }
  }

  private static void requireAbsentOrEmpty(Path target) {
    if (!Files.exists(target)) {
      return;
    }
    if (!Files.isDirectory(target)) {
      throw new InvalidInput(
          "%s is a file, expected a folder to write (a name ending in .safetensors writes a file)"
              .formatted(target));
    }
    try (Stream<Path> content = Files.list(target)) {
      if (content.findAny().isPresent()) {
        throw new InvalidInput(
            "the folder %s exists and is not empty: choose another, or delete it"
                .formatted(target));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(target + " cannot be listed", e);
    }
  }

  // Not Files.createTempFile: that allows nobody but the owner to read, and the rename keeps it so.
  private static Path temporarySibling(Path target, boolean folder) {
    while (true) {
      String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
      Path sibling = target.resolveSibling(".%s.%s.tmp".formatted(target.getFileName(), random));
      if (Files.exists(sibling)) {
        continue;
      }
      if (folder) {
        try {
          Files.createDirectory(sibling);
        } catch (IOException e) {
          throw new UncheckedIOException(sibling + " cannot be created", e);
        }
      }
      return sibling;
    }
  }

  private static SortedMap<String, TensorInfo> byName(Collection<TensorInfo> tensors) {
    SortedMap<String, TensorInfo> byName = new TreeMap<>();
    for (TensorInfo tensor : tensors) {
      if (tensor.name().equals(SafetensorsHeader.METADATA)) {
        throw new InvalidInput("no tensor can be named " + SafetensorsHeader.METADATA);
      }
      if (byName.put(tensor.name(), tensor) != null) {
        throw new IllegalArgumentException("two tensors named '" + shown(tensor.name()) + "'");
      }
    }
    return byName;
  }

  private static List<List<TensorInfo>> parts(Collection<TensorInfo> tensors, long maxPartBytes) {
    if (maxPartBytes <= 0) {
      throw new IllegalArgumentException("parts of %d bytes".formatted(maxPartBytes));
    }
    List<List<TensorInfo>> parts = new ArrayList<>();
    parts.add(new ArrayList<>());
    long bytes = 0;
    for (TensorInfo tensor : tensors) {
      List<TensorInfo> part = parts.get(parts.size() - 1);
      if (!part.isEmpty() && tensor.bytes() > maxPartBytes - bytes) {
        part = new ArrayList<>();
        parts.add(part);
        bytes = 0;
      }
      part.add(tensor);
      bytes = Math.addExact(bytes, tensor.bytes());
    }
    return parts;
  }

  private static String partName(int index, int parts) {
    return parts == 1
        ? Checkpoint.SINGLE_FILE
        : "model-%05d-of-%05d.safetensors".formatted(index + 1, parts);
  }

  private static byte[] index(
      Collection<TensorInfo> tensors, SortedMap<String, String> fileOfTensor) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.setPrettyPrinter(new DefaultPrettyPrinter());
      json.writeStartObject();
      json.writeObjectFieldStart("metadata");
      json.writeNumberField("total_size", tensors.stream().mapToLong(TensorInfo::bytes).sum());
      json.writeEndObject();
      json.writeObjectFieldStart("weight_map");
      for (Map.Entry<String, String> entry : fileOfTensor.entrySet()) {
        json.writeStringField(entry.getKey(), entry.getValue());
      }
      json.writeEndObject();
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // a byte array takes everything
    }
    return bytes.toByteArray();
  }

  private static void writeFully(FileChannel channel, ByteBuffer bytes, long position)
      throws IOException {
    long at = position;
    while (bytes.hasRemaining()) {
      at += channel.write(bytes, at);
    }
  }

  private static void syncFolder(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
