package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** The files that something is made from. */
public final class InputFiles {
  /** What a Hugging Face folder holds that is read beside the tensors. */
  private static final List<String> COMPANIONS =
      List.of(FolderIndex.NAME, "config.json", "tokenizer.json", "preprocessor_config.json");

  private InputFiles() {}

  /**
   * An output may replace an earlier output, never what it is made from.
   *
   * @param name what the user calls the output
   * @param inputs files, and Hugging Face folders, which stand for the model's files in them
   * @throws InvalidInput when the output is one of the inputs
   */
  public static void requireOther(String name, Path output, Collection<Path> inputs) {
    Path target = real(output);
    for (Path input : inputs) {
      if (files(input).stream().anyMatch(file -> real(file).equals(target))) {
        throw new InvalidInput("%s %s is one of the inputs; name another".formatted(name, output));
      }
    }
  }

  private static List<Path> files(Path input) {
    List<Path> files = new ArrayList<>(List.of(input));
    if (Files.isDirectory(input) && Checkpoint.isIn(input)) {
      try (Checkpoint checkpoint = Checkpoint.open(input)) {
        files.addAll(checkpoint.files());
      }
      COMPANIONS.forEach(companion -> files.add(input.resolve(companion)));
    }
    return files;
  }

  /** Links are followed: a download cache's folders are made of them. */
  private static Path real(Path path) {
    try {
      return Files.exists(path) ? path.toRealPath() : path.toAbsolutePath().normalize();
    } catch (IOException e) {
      throw new UncheckedIOException(path + " cannot be looked up", e);
    }
  }
}
