package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.Sha256;
import io.fisherstreams.files.TextFile;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
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

  /**
   * Metadata of a safetensors file with only what a model changes of its base: opened together with
   * the base, it is read as the whole model. The value is not read.
   */
  public static final String CHANGES_ONLY = "fisherstreams.changes_only";

  private static final int COMPARED_ELEMENTS = 1 << 20;

  private final Path path;
  private final Optional<Path> folder;
  private final SortedMap<String, TensorInfo> tensors;
  private final Map<String, String> metadata;
  private final Map<String, TensorSlices> sources;
  private final CheckpointParts parts;
  private final Optional<String> renaming;
  private final Optional<Expansion> expansion;

  /**
   * What makes an adapter a whole model.
   *
   * @param base the open base
   * @param unchanged the names of the tensors that are the base's
   */
  private record Expansion(Checkpoint base, Set<String> unchanged) {
    Expansion renamed(Map<String, String> names) {
      Set<String> others = new HashSet<>();
      names.forEach(
          (name, own) -> {
            if (unchanged.contains(own)) {
              others.add(name);
            }
          });
      return new Expansion(base, others);
    }
  }

  private Checkpoint(Path path, Optional<Path> folder, CheckpointParts parts) {
    this(path, folder, parts, parts.tensors(), Optional.empty(), Optional.empty());
  }

  private Checkpoint(
      Path path,
      Optional<Path> folder,
      CheckpointParts parts,
      Map<String, TensorSlices> sources,
      Optional<String> renaming,
      Optional<Expansion> expansion) {
    this.path = path;
    this.folder = folder;
    this.parts = parts;
    this.sources = Map.copyOf(sources);
    this.renaming = renaming;
    this.expansion = expansion;
    SortedMap<String, TensorInfo> infos = new TreeMap<>();
    sources.forEach(
        (name, source) -> {
          TensorInfo found = source.info();
          infos.put(name, new TensorInfo(name, found.dtype(), found.shape()));
        });
    this.tensors = Collections.unmodifiableSortedMap(infos);
    this.metadata = expansion.isPresent() ? Map.of() : parts.metadata();
  }

  /**
   * Opens a file or folder whose tensors are read under the names that are wanted, where its own
   * names differ only by what tools add: a wrapper, the prefix of a model inside another, the old
   * names of a norm. Without exactly one such way the names stay as they are.
   *
   * @param wanted names that the caller looks for
   * @throws InvalidInput as {@link #open(Path)}
   */
  public static Checkpoint openAs(Path fileOrFolder, Collection<String> wanted) {
    return openAs(fileOrFolder, Optional.empty(), wanted, wanted);
  }

  /**
   * As {@link #openAs(Path, Collection)}; further names change in the same way where that gives a
   * known one.
   *
   * @param base the base of a LoRA adapter; not used otherwise
   * @param known the wanted names and others that the file may have
   */
  public static Checkpoint openAs(
      Path fileOrFolder, Optional<Path> base, Collection<String> wanted, Collection<String> known) {
    Checkpoint file = open(fileOrFolder, base);
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
    Map<String, TensorSlices> renamed = new HashMap<>();
    match.names().forEach((name, own) -> renamed.put(name, sources.get(own)));
    String both = renaming.map(before -> before + ", then ").orElse("") + match.description();
    return new Checkpoint(
        path,
        folder,
        parts,
        renamed,
        Optional.of(both),
        expansion.map(from -> from.renamed(match.names())));
  }

  /**
   * Of a LoRA adapter: the names of the tensors that it leaves as its base has them. Of a whole
   * model: empty.
   */
  public Set<String> unchanged() {
    return expansion.map(Expansion::unchanged).orElse(Set.of());
  }

  /** The tensors, in the order of their names, without those that an adapter leaves alone. */
  public List<TensorInfo> ownTensors() {
    Set<String> ofBase = unchanged();
    return tensors.values().stream().filter(tensor -> !ofBase.contains(tensor.name())).toList();
  }

  /** Whether this is a LoRA adapter that is read as the whole model which it makes of its base. */
  public boolean isExpanded() {
    return expansion.isPresent();
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
    return file.map(path -> ModelConfig.parse(path.toString(), TextFile.read(path)))
        .or(() -> expansion.flatMap(from -> from.base.config()));
  }

  /**
   * Opens a safetensors file or a Hugging Face folder.
   *
   * @throws InvalidInput when there is no such file, when a file is not what the safetensors format
   *     defines, or when a folder's index and parts disagree; the message names file and tensor.
   *     Also for a LoRA adapter, which needs its base
   */
  public static Checkpoint open(Path fileOrFolder) {
    return open(fileOrFolder, Optional.empty());
  }

  /**
   * Opens a safetensors file or a Hugging Face folder, or the folder of a LoRA adapter as the whole
   * model that it makes of its base. The changed tensors are computed when they are read. A file
   * with {@link #CHANGES_ONLY} is an adapter too.
   *
   * @param base the base of an adapter: a whole model; not used otherwise
   * @throws InvalidInput as {@link #open(Path)}; for an adapter without its base, one that does not
   *     fit the base, and one of a kind that is not implemented
   */
  public static Checkpoint open(Path fileOrFolder, Optional<Path> base) {
    if (base.isPresent() && isAdapter(fileOrFolder)) {
      return expanded(fileOrFolder, base.get());
    }
    if (!Files.isDirectory(fileOrFolder)) {
      Checkpoint file =
          new Checkpoint(
              fileOrFolder, Optional.empty(), CheckpointParts.open(List.of(fileOrFolder)));
      return base.isPresent() && file.metadata.containsKey(CHANGES_ONLY)
          ? file.onto(base.get())
          : unwrapped(file);
    }
    Path single = fileOrFolder.resolve(SINGLE_FILE);
    if (Files.exists(single)) {
      return unwrapped(
          new Checkpoint(
              fileOrFolder, Optional.of(fileOrFolder), CheckpointParts.open(List.of(single))));
    }
    if (!Files.exists(fileOrFolder.resolve(FolderIndex.NAME))) {
      throw new InvalidInput(ForeignFormat.folder(fileOrFolder));
    }
    FolderIndex index = FolderIndex.read(fileOrFolder);
    CheckpointParts parts = CheckpointParts.open(new TreeSet<>(index.parts().values()));
    try {
      index.check(fileOrFolder.resolve(FolderIndex.NAME), parts.files());
      return unwrapped(new Checkpoint(fileOrFolder, Optional.of(fileOrFolder), parts));
    } catch (RuntimeException e) {
      parts.close();
      throw e;
    }
  }

  /**
   * Rejects a file or folder that cannot be opened. Of an adapter it reads config and header, for
   * which no base is needed.
   */
  public static void requireReadable(Path fileOrFolder) {
    if (isAdapter(fileOrFolder)) {
      Adapter.open(fileOrFolder).close();
    } else {
      open(fileOrFolder).close();
    }
  }

  /** The SHA-256 of an adapter's two files, as {@link #sha256}; no base is needed for it. */
  public static String sha256OfAdapter(Path folder) {
    return Sha256.of(folder, Adapter.files(folder));
  }

  /** Whether a path is the folder of a LoRA adapter, which needs its base. */
  public static boolean isAdapter(Path folder) {
    return Adapter.isIn(folder);
  }

  private static Checkpoint expanded(Path folder, Path basePath) {
    CheckpointParts parts = Adapter.open(folder);
    Checkpoint base = null;
    try {
      base = open(basePath);
      Adapter.Expanded found = Adapter.expand(folder, parts.files().get(0), base);
      return new Checkpoint(
          folder,
          Optional.of(folder),
          parts,
          found.tensors(),
          Optional.empty(),
          Optional.of(new Expansion(base, found.unchanged())));
    } catch (RuntimeException e) {
      parts.close();
      if (base != null) {
        base.close();
      }
      throw e;
    }
  }

  /** The whole model that this file's tensors make of a base. */
  private Checkpoint onto(Path basePath) {
    try {
      Checkpoint base = open(basePath);
      Map<String, TensorSlices> all = new HashMap<>(base.sources);
      all.putAll(sources);
      Set<String> others = new HashSet<>(base.sources.keySet());
      others.removeAll(sources.keySet());
      return new Checkpoint(
          path, folder, parts, all, Optional.empty(), Optional.of(new Expansion(base, others)));
    } catch (RuntimeException e) {
      close();
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

  /** The files that hold the tensors, in the order of their names; of an adapter its own two. */
  public List<Path> files() {
    return expansion.isPresent() && folder.isPresent()
        ? Adapter.files(folder.get())
        : parts.files().stream().map(SafetensorsFile::path).sorted().toList();
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
    return slices(name).slice(firstElement, elements);
  }

  /** One tensor. */
  TensorSlices slices(String name) {
    TensorSlices source = sources.get(name);
    if (source == null) {
      throw new IllegalArgumentException("%s has no tensor '%s'".formatted(path, shown(name)));
    }
    return source;
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
    parts.close();
    expansion.ifPresent(from -> from.base.close());
  }
}
