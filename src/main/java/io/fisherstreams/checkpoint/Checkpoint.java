package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
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
 * <p>Opening reads and checks the headers only. A tensor is mapped when it is first asked for.
 * {@link #close()} unmaps everything: <b>a slice must not be touched after that</b>, because
 * touching unmapped memory crashes the process. Until then any number of threads may read slices.
 */
public final class Checkpoint implements AutoCloseable {
  /** The name of a Hugging Face folder's file when it has only one. */
  static final String SINGLE_FILE = "model.safetensors";

  private final Path path;
  private final Optional<Path> folder;
  private final SortedMap<String, TensorInfo> tensors;
  private final Map<String, String> metadata;
  private final Map<String, Source> sources = new HashMap<>();
  private final List<SafetensorsFile> parts;

  private record Source(SafetensorsFile part, SafetensorsHeader.Tensor tensor) {}

  private Checkpoint(Path path, Optional<Path> folder, List<SafetensorsFile> parts) {
    this.path = path;
    this.folder = folder;
    this.parts = parts;
    SortedMap<String, TensorInfo> infos = new TreeMap<>();
    for (SafetensorsFile part : parts) {
      part.header()
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
    List<SafetensorsFile> parts = openAll(new TreeSet<>(index.parts().values()));
    try {
      checkIndex(fileOrFolder.resolve(FolderIndex.NAME), index, parts);
      return new Checkpoint(fileOrFolder, Optional.of(fileOrFolder), parts);
    } catch (RuntimeException e) {
      parts.forEach(SafetensorsFile::close);
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
    return parts.stream().map(SafetensorsFile::path).sorted().toList();
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
   * The headers' {@code __metadata__}. Of several parts, the entries for which no two parts have
   * different values.
   */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * A run of a tensor's flattened elements: a read-only, little-endian view of the mapped file with
   * position 0 and exactly the elements' bytes. It is valid until {@link #close()}.
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
    return source.part.slice(source.tensor, firstElement, elements);
  }

  /** Unmaps everything and closes the files. Slices are invalid from now on. */
  @Override
  public void close() {
    parts.forEach(SafetensorsFile::close);
  }

  private static List<SafetensorsFile> openAll(Collection<Path> files) {
    List<SafetensorsFile> parts = new ArrayList<>();
    try {
      for (Path file : files) {
        parts.add(SafetensorsFile.open(file));
      }
      return List.copyOf(parts);
    } catch (RuntimeException e) {
      parts.forEach(SafetensorsFile::close);
      throw e;
    }
  }

  private static void checkIndex(Path indexFile, FolderIndex index, List<SafetensorsFile> parts) {
    Map<Path, SafetensorsFile> byFile = new HashMap<>();
    parts.forEach(part -> byFile.put(part.path(), part));
    index
        .parts()
        .forEach(
            (tensor, file) -> {
              if (!byFile.get(file).header().tensors().containsKey(tensor)) {
                throw new InvalidInput(
                    "%s says that tensor '%s' is in %s, but it is not"
                        .formatted(indexFile, shown(tensor), file.getFileName()));
              }
            });
    for (SafetensorsFile part : parts) {
      for (String tensor : part.header().tensors().keySet()) {
        Path listed = index.parts().get(tensor);
        if (listed == null) {
          throw new InvalidInput(
              "%s: tensor '%s' is not listed in %s"
                  .formatted(part.path(), shown(tensor), indexFile.getFileName()));
        }
        if (!listed.equals(part.path())) {
          throw new InvalidInput(
              "tensor '%s' is in two parts, %s and %s: only one may have it"
                  .formatted(shown(tensor), listed, part.path()));
        }
      }
    }
  }

  private static Map<String, String> commonMetadata(List<SafetensorsFile> parts) {
    Map<String, String> common = new TreeMap<>();
    Set<String> disputed = new HashSet<>();
    for (SafetensorsFile part : parts) {
      part.header()
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
