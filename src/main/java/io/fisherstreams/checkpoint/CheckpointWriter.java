package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.AtomicOutput;
import io.fisherstreams.files.AtomicOutput.OutputFile;
import io.fisherstreams.files.OutputTarget;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Writes tensors as a safetensors file or a Hugging Face folder that appears complete or not at
 * all, see {@link AtomicOutput}.
 *
 * <p>Several threads may call {@link #write}, in any order. Writing elements again replaces them.
 */
public final class CheckpointWriter implements AutoCloseable {
  private static final int GAPS_SHOWN = 5;

  private final AtomicOutput output;
  private final Map<String, TensorSlot> slots = new TreeMap<>();
  private final List<Part> parts = new ArrayList<>();

  private record Part(OutputFile file, Collection<TensorInfo> tensors, int headerBytes) {}

  private CheckpointWriter(AtomicOutput output) {
    this.output = output;
  }

  /**
   * Begins a safetensors file.
   *
   * @param target where it is to appear; commit replaces an existing file
   * @param tensors all tensors of the file
   * @param metadata the header's {@code __metadata__}
   * @throws InvalidInput when the target's folder does not exist or cannot be written to, when the
   *     target is a folder, or when the tensors cannot be one safetensors file
   */
  public static CheckpointWriter file(
      Path target, Collection<TensorInfo> tensors, Map<String, String> metadata) {
    SortedMap<String, TensorInfo> byName = byName(tensors);
    SafetensorsLayout layout = SafetensorsLayout.of(byName.values(), metadata);
    return begin(
        OutputTarget.file(target),
        writer -> writer.begin(writer.output.create(), byName.values(), layout, byName));
  }

  /**
   * Begins a Hugging Face folder: {@code model.safetensors}, or, when the tensors take more than
   * one part, {@code model-00001-of-0000N.safetensors} and so on with {@code
   * model.safetensors.index.json}. Parts are filled in the order of the tensors' names.
   *
   * @param target where it is to appear; an existing folder must be empty
   * @param tensors all tensors of the folder
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
    FolderParts parts = FolderParts.of(byName.values(), maxPartBytes);
    List<SafetensorsLayout> layouts =
        parts.parts().stream().map(part -> SafetensorsLayout.of(part, metadata)).toList();
    return begin(
        folderTarget(target),
        writer -> {
          for (int i = 0; i < layouts.size(); i++) {
            writer.begin(
                writer.output.create(parts.name(i)), parts.parts().get(i), layouts.get(i), byName);
          }
          parts.index().ifPresent(index -> writer.addFile(FolderIndex.NAME, index));
        });
  }

  /**
   * Checks a target before the work whose result it receives.
   *
   * @throws InvalidInput as {@link #file} would
   */
  public static void requireFile(Path target) {
    OutputTarget.file(target);
  }

  /**
   * Checks a target before the work whose result it receives.
   *
   * @throws InvalidInput as {@link #folder} would
   */
  public static void requireFolder(Path target) {
    folderTarget(target);
  }

  private static OutputTarget folderTarget(Path target) {
    if (Files.exists(target) && !Files.isDirectory(target)) {
      throw new InvalidInput(
          "%s is a file, expected a folder to write (a name ending in .safetensors writes a file)"
              .formatted(target));
    }
    return OutputTarget.folder(target);
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

  private interface Opening {
    void open(CheckpointWriter writer) throws IOException;
  }

  private static CheckpointWriter begin(OutputTarget target, Opening opening) {
    CheckpointWriter writer = new CheckpointWriter(new AtomicOutput(target));
    try {
      opening.open(writer);
      return writer;
    } catch (IOException e) {
      UncheckedIOException failure =
          new UncheckedIOException(target.path() + " cannot be written", e);
      writer.output.closeAfter(failure);
      throw failure;
    } catch (RuntimeException e) {
      writer.output.closeAfter(e);
      throw e;
    }
  }

  private void begin(
      OutputFile file,
      Collection<TensorInfo> part,
      SafetensorsLayout layout,
      Map<String, TensorInfo> tensors)
      throws IOException {
    parts.add(new Part(file, part, layout.header().length));
    file.write(ByteBuffer.wrap(layout.header()), 0);
    layout
        .positions()
        .forEach(
            (name, position) -> slots.put(name, new TensorSlot(tensors.get(name), file, position)));
  }

  /**
   * Writes a run of a tensor's flattened elements.
   *
   * @param name one of the tensors given at the start
   * @param firstElement index of the run's first element
   * @param littleEndian the elements' bytes from the buffer's position to its limit, both of which
   *     stay as they are
   * @throws IllegalArgumentException for an unknown name, or bytes that are not whole elements
   * @throws IndexOutOfBoundsException when the run leaves the tensor
   * @throws IllegalStateException after {@link #commit()} or {@link #close()}
   * @throws UncheckedIOException when the bytes cannot be written, for example on a full disk
   */
  public void write(String name, long firstElement, ByteBuffer littleEndian) {
    TensorSlot slot = slots.get(name);
    if (slot == null) {
      throw new IllegalArgumentException(
          "%s has no tensor '%s'".formatted(output.path(), shown(name)));
    }
    try {
      slot.write(firstElement, littleEndian.duplicate());
    } catch (IOException e) {
      throw new UncheckedIOException(
          "%s: tensor '%s' cannot be written".formatted(output.path(), shown(name)), e);
    }
  }

  /**
   * Replaces the {@code __metadata__} that was given at the start, for what is known only at the
   * end, such as a checksum.
   *
   * @throws IllegalArgumentException when the new header is not as long as the first one
   * @throws UncheckedIOException when it cannot be written
   */
  public void metadata(Map<String, String> metadata) {
    for (Part part : parts) {
      byte[] header = SafetensorsLayout.of(part.tensors, metadata).header();
      if (header.length != part.headerBytes) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "a header of %d bytes cannot replace one of %d",
                header.length,
                part.headerBytes));
      }
      try {
        part.file.write(ByteBuffer.wrap(header), 0);
      } catch (IOException e) {
        throw new UncheckedIOException(output.path() + " cannot be written", e);
      }
    }
  }

  /**
   * Adds a copy of a further file to the folder, such as {@code config.json}.
   *
   * @throws InvalidInput when the source cannot be read
   * @throws IllegalArgumentException when the folder already has this name or it is no plain file
   *     name
   * @throws IllegalStateException for a writer of a single file, or after commit or close
   */
  public void addFile(String name, Path source) {
    output.add(name, source);
  }

  /**
   * Adds a further file to the folder, such as a model card.
   *
   * @throws IllegalArgumentException when the folder already has this name or it is no plain file
   *     name
   * @throws IllegalStateException for a writer of a single file, or after commit or close
   */
  public void addFile(String name, byte[] content) {
    output.add(name, content);
  }

  /**
   * Makes the output appear: everything reaches the disk, then one rename moves it to the target.
   *
   * @throws IllegalStateException when elements of a tensor were never written (the message names
   *     the first of them), or after commit or close; the target is then unchanged
   * @throws InvalidInput when the target folder has received content since the start
   * @throws UncheckedIOException when the output cannot be written
   */
  public void commit() {
    requireComplete();
    output.commit();
  }

  /** Ends the writer. Without a {@link #commit()}, everything that was written is deleted. */
  @Override
  public void close() {
    output.close();
  }

  private void requireComplete() {
    List<TensorSlot> incomplete =
        slots.values().stream().filter(slot -> !slot.isComplete()).toList();
    if (!incomplete.isEmpty()) {
      throw new IllegalStateException(
          String.format(
              Locale.ROOT,
              "%s is not complete: %d of %d tensors lack elements that were never written: %s%s",
              output.path(),
              incomplete.size(),
              slots.size(),
              incomplete.stream()
                  .limit(GAPS_SHOWN)
                  .map(slot -> shown(slot.info().name()) + ": " + slot.firstGap())
                  .collect(Collectors.joining("; ")),
              incomplete.size() > GAPS_SHOWN ? "; …" : ""));
    }
  }
}
