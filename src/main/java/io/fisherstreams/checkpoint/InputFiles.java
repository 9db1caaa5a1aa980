package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** Protects the files that an output is made from. */
public final class InputFiles {
  /** Files of a Hugging Face folder that are read in addition to the tensors. */
  private static final List<String> COMPANIONS =
      List.of(FolderIndex.NAME, "config.json", "tokenizer.json", "preprocessor_config.json");

  private InputFiles() {}

  /**
   * Rejects an output that would replace one of its own inputs. It may replace an earlier output.
   *
   * @param name the output's name in messages
   * @param inputs files and Hugging Face folders; a folder means the model's files in it
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
    if (Checkpoint.isAdapter(input)) {
      files.addAll(Adapter.files(input));
      COMPANIONS.forEach(companion -> files.add(input.resolve(companion)));
    }
    if (Files.isDirectory(input) && Checkpoint.isIn(input)) {
      try (Checkpoint checkpoint = Checkpoint.open(input)) {
        files.addAll(checkpoint.files());
      }
      COMPANIONS.forEach(companion -> files.add(input.resolve(companion)));
    }
    return files;
  }

  /** Follows links, because the folders of a download cache consist of links. */
  private static Path real(Path path) {
    try {
      return Files.exists(path) ? path.toRealPath() : path.toAbsolutePath().normalize();
    } catch (IOException e) {
      throw new UncheckedIOException(path + " cannot be looked up", e);
    }
  }
}
