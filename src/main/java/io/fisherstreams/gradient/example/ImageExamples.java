package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.stream.Stream;

/**
 * Examples that are image files: a folder of one subfolder per class, or a JSON Lines file with
 * {@code image} (a path relative to the file) and {@code label}. Gives {@code pixel_values}.
 */
public final class ImageExamples implements ExampleSource {
  private static final Set<String> EXTENSIONS =
      Set.of("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp");

  private final Path path;
  private final long count;
  private final LongFunction<Labelled> entries;
  private final ImageProcessor processor;
  private final AutoCloseable owner;

  /** An image file and its class. */
  private record Labelled(Path file, long label) {}

  private ImageExamples(
      Path path,
      long count,
      LongFunction<Labelled> entries,
      ImageProcessor processor,
      AutoCloseable owner) {
    this.path = path;
    this.count = count;
    this.entries = entries;
    this.processor = processor;
    this.owner = owner;
  }

  /**
   * Opens a JSON Lines file.
   *
   * @param classNamed the model's class of a label that is a name
   * @throws InvalidInput when it cannot be read
   */
  public static ImageExamples lines(
      Path path, ImageProcessor processor, Function<String, Optional<Long>> classNamed) {
    JsonLines lines = JsonLines.open(path);
    LongFunction<Labelled> entries =
        index -> {
          JsonNode line = lines.line(index);
          Path image = path.resolveSibling(lines.text(line, index, "image"));
          return new Labelled(image, lines.label(line, index, classNamed));
        };
    return new ImageExamples(path, lines.count(), entries, processor, lines);
  }

  /**
   * Opens a folder of one subfolder per class. A subfolder's name is a class name, when the model
   * has class names, or a class number. Otherwise the subfolders are the classes in the order of
   * their names. Examples alternate between classes (the first image of each, then the second),
   * each class in the order of file names, so that the first N are balanced.
   *
   * @param classNamed the model's class of a name
   * @throws InvalidInput when it has no subfolders, or one of them is no class or contains a file
   *     that is no image
   */
  public static ImageExamples folder(
      Path path, ImageProcessor processor, Function<String, Optional<Long>> classNamed) {
    List<Path> folders = list(path).stream().filter(Files::isDirectory).toList();
    if (folders.isEmpty()) {
      throw new InvalidInput(
          "%s: expected one subfolder of images per class, found none".formatted(path));
    }
    List<List<Labelled>> classes = new ArrayList<>();
    for (int i = 0; i < folders.size(); i++) {
      long label = label(folders, i, classNamed);
      classes.add(
          list(folders.get(i)).stream()
              .map(file -> new Labelled(requireImage(file), label))
              .toList());
    }
    List<Labelled> turns = inTurns(classes);
    return new ImageExamples(
        path, turns.size(), index -> turns.get((int) index), processor, () -> {});
  }

  private static long label(
      List<Path> folders, int index, Function<String, Optional<Long>> classNamed) {
    List<String> names = folders.stream().map(folder -> folder.getFileName().toString()).toList();
    String name = names.get(index);
    if (names.stream().anyMatch(other -> classNamed.apply(other).isPresent())) {
      return classNamed
          .apply(name)
          .orElseThrow(
              () ->
                  new InvalidInput(
                      "%s: the folder's name is no class name of the model"
                          .formatted(folders.get(index))));
    }
    if (names.stream().allMatch(other -> other.matches("[0-9]{1,9}"))) {
      return Long.parseLong(name);
    }
    return index;
  }

  private static Path requireImage(Path file) {
    String name = file.getFileName().toString();
    String extension = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    if (!EXTENSIONS.contains(extension)) {
      throw new InvalidInput("%s: no image file; expected one of %s".formatted(file, EXTENSIONS));
    }
    return file;
  }

  private static List<Labelled> inTurns(List<List<Labelled>> classes) {
    List<Labelled> turns = new ArrayList<>();
    int longest = classes.stream().mapToInt(List::size).max().orElse(0);
    for (int turn = 0; turn < longest; turn++) {
      for (List<Labelled> images : classes) {
        if (turn < images.size()) {
          turns.add(images.get(turn));
        }
      }
    }
    return turns;
  }

  /** The content of a folder, by name, without hidden files. */
  private static List<Path> list(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> !file.getFileName().toString().startsWith(".")).sorted().toList();
    } catch (IOException e) {
      throw new InvalidInput("%s: cannot be listed: %s".formatted(folder, e.getMessage()), e);
    }
  }

  @Override
  public String origin() {
    return path.toString();
  }

  @Override
  public long count() {
    return count;
  }

  @Override
  public List<Example> read(long first, int examples) {
    List<Example> batch = new ArrayList<>(examples);
    for (long index = first; index < first + examples; index++) {
      Labelled entry = entries.apply(index);
      batch.add(
          new Example(
              origin(), index, entry.label(), Map.of("pixel_values", pixels(index, entry))));
    }
    return batch;
  }

  private InputTensor pixels(long index, Labelled entry) {
    try {
      return processor.read(entry.file());
    } catch (InvalidInput e) {
      throw new InvalidInput(
          String.format(Locale.ROOT, "%s: example %d: %s", path, index, e.getMessage()), e);
    }
  }

  @Override
  public List<Path> files() {
    Stream<Path> images =
        Stream.iterate(0L, index -> index < count, index -> index + 1)
            .map(index -> requireThere(index, entries.apply(index).file()));
    return Files.isDirectory(path)
        ? images.toList()
        : Stream.concat(Stream.of(path), images).toList();
  }

  private Path requireThere(long index, Path file) {
    if (!Files.isReadable(file)) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: example %d: %s does not exist or cannot be read",
              path,
              index,
              file));
    }
    return file;
  }

  @Override
  public void close() {
    try {
      owner.close();
    } catch (Exception e) {
      throw new IllegalStateException("closing the examples failed", e);
    }
  }
}
