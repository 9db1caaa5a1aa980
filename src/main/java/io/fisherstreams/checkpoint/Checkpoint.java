package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.Sha256;
import io.fisherstreams.files.TextFile;
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
import java.util.stream.Stream;

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

  private static final int COMPARED_ELEMENTS = 1 << 20;

  private final Path path;
  private final Optional<Path> folder;
  private final SortedMap<String, TensorInfo> tensors;
  private final Map<String, String> metadata;
  private final Map<String, Source> sources = new HashMap<>();
  private final List<SafetensorsFile> parts;

  private final Optional<String> renaming;

  private record Source(SafetensorsFile part, SafetensorsHeader.Tensor tensor) {}

  private Checkpoint(Path path, Optional<Path> folder, List<SafetensorsFile> parts) {
    this(path, folder, parts, sources(parts), Optional.empty());
  }

  private Checkpoint(
      Path path,
      Optional<Path> folder,
      List<SafetensorsFile> parts,
      Map<String, Source> sources,
      Optional<String> renaming) {
    this.path = path;
    this.folder = folder;
    this.parts = parts;
    this.renaming = renaming;
    SortedMap<String, TensorInfo> infos = new TreeMap<>();
    sources.forEach(
        (name, source) -> {
          TensorInfo found = source.tensor.info();
          infos.put(name, new TensorInfo(name, found.dtype(), found.shape()));
        });
    this.sources.putAll(sources);
    this.tensors = Collections.unmodifiableSortedMap(infos);
    this.metadata = commonMetadata(parts);
  }

  private static Map<String, Source> sources(List<SafetensorsFile> parts) {
    Map<String, Source> sources = new HashMap<>();
    for (SafetensorsFile part : parts) {
      part.header()
          .tensors()
          .forEach((name, tensor) -> sources.put(name, new Source(part, tensor)));
    }
    return sources;
  }

  /**
   * Opens a file or folder whose tensors are read under the names that are wanted, where its own
   * names differ only by what tools add: a wrapper, the prefix of a model inside another, the old
   * names of a norm. Without exactly one such way the names stay as they are.
   *
   * @param wanted names that the caller looks for
   * @throws InvalidInput as {@link #open}, and for a LoRA adapter
   */
  public static Checkpoint openAs(Path fileOrFolder, Collection<String> wanted) {
    return openAs(fileOrFolder, wanted, wanted);
  }

  /**
   * As {@link #openAs(Path, Collection)}; further names change in the same way where that gives a
   * known one.
   *
   * @param known the wanted names and others that the file may have
   */
  public static Checkpoint openAs(
      Path fileOrFolder, Collection<String> wanted, Collection<String> known) {
    Checkpoint file = open(fileOrFolder);
    try {
      if (!file.tensors.keySet().containsAll(wanted)) {
        file.requireNoAdapter();
      }
      return NameMatch.of(file.tensors.keySet(), wanted, known)
          .map(match -> file.renamed(match))
          .orElse(file);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private Checkpoint renamed(NameMatch match) {
    Map<String, Source> renamed = new HashMap<>();
    match.names().forEach((name, own) -> renamed.put(name, sources.get(own)));
    String both = renaming.map(before -> before + ", then ").orElse("") + match.description();
    return new Checkpoint(path, folder, parts, renamed, Optional.of(both));
  }

  /** Rejects the file of a LoRA adapter, which has no whole weights. */
  public void requireNoAdapter() {
    ForeignFormat.requireNoAdapter(path, tensors.keySet().stream());
  }

  /** How the names were changed, such as {@code without the prefix 'module.'}; for people. */
  public Optional<String> renaming() {
    return renaming;
  }

  /**
   * A flag of the folder's {@code config.json}, or of its {@code text_config}; empty without one.
   */
  public Optional<Boolean> configFlag(String key) {
    return config()
        .flatMap(
            config ->
                Stream.concat(Stream.of(config), config.section("text_config").stream())
                    .filter(section -> section.has(key))
                    .findFirst())
        .map(section -> section.flag(key, false));
  }

  /** The value of a key of the folder's {@code config.json} as text; empty without one. */
  public Optional<String> configText(String key) {
    return config().flatMap(config -> config.shown(key));
  }

  private Optional<ModelConfig> config() {
    Optional<Path> file = folder.map(f -> f.resolve("config.json")).filter(Files::exists);
    return file.map(path -> ModelConfig.parse(path.toString(), TextFile.read(path)));
  }

  /**
   * Opens a safetensors file or a Hugging Face folder.
   *
   * @throws InvalidInput when there is no such file, when a file is not what the safetensors format
   *     defines, or when a folder's index and parts disagree; the message names file and tensor
   */
  public static Checkpoint open(Path fileOrFolder) {
    if (!Files.isDirectory(fileOrFolder)) {
      return unwrapped(
          new Checkpoint(fileOrFolder, Optional.empty(), openAll(List.of(fileOrFolder))));
    }
    Path single = fileOrFolder.resolve(SINGLE_FILE);
    if (Files.exists(single)) {
      return unwrapped(
          new Checkpoint(fileOrFolder, Optional.of(fileOrFolder), openAll(List.of(single))));
    }
    if (!Files.exists(fileOrFolder.resolve(FolderIndex.NAME))) {
      throw new InvalidInput(ForeignFormat.folder(fileOrFolder));
    }
    FolderIndex index = FolderIndex.read(fileOrFolder);
    List<SafetensorsFile> parts = openAll(new TreeSet<>(index.parts().values()));
    try {
      checkIndex(fileOrFolder.resolve(FolderIndex.NAME), index, parts);
      return unwrapped(new Checkpoint(fileOrFolder, Optional.of(fileOrFolder), parts));
    } catch (RuntimeException e) {
      parts.forEach(SafetensorsFile::close);
      throw e;
    }
  }

  /** Without the wrappers of PyTorch's tools. */
  private static Checkpoint unwrapped(Checkpoint file) {
    return NameMatch.unwrapping(file.tensors.keySet()).map(file::renamed).orElse(file);
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

  /**
   * The SHA-256 of the file; of several, of the lines that {@code sha256sum} prints for them in
   * their folder. Reads them whole.
   */
  public String sha256() {
    return Sha256.of(folder.orElseGet(() -> path.toAbsolutePath().getParent()), files());
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

  /**
   * Whether two tensors have the same bytes.
   *
   * @param name a tensor of this checkpoint
   * @param other a checkpoint with a tensor of the same type and shape; may be this one
   * @param otherName that tensor's name
   */
  public boolean hasSameBytes(String name, Checkpoint other, String otherName) {
    long elements = tensors.get(name).elements();
    for (long at = 0; at < elements; at += COMPARED_ELEMENTS) {
      int count = (int) Math.min(COMPARED_ELEMENTS, elements - at);
      if (!slice(name, at, count).equals(other.slice(otherName, at, count))) {
        return false;
      }
    }
    return true;
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
