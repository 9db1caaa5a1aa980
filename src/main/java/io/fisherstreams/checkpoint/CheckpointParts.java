package io.fisherstreams.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The open files of a checkpoint.
 *
 * @param files in the order in which they were opened
 */
record CheckpointParts(List<SafetensorsFile> files) implements AutoCloseable {
  /** Opens all files, or none. */
  static CheckpointParts open(Collection<Path> paths) {
    List<SafetensorsFile> parts = new ArrayList<>();
    try {
      for (Path path : paths) {
        parts.add(SafetensorsFile.open(path));
      }
      return new CheckpointParts(List.copyOf(parts));
    } catch (RuntimeException e) {
      parts.forEach(SafetensorsFile::close);
      throw e;
    }
  }

  /** The tensors of all files by their names. */
  Map<String, TensorSlices> tensors() {
    Map<String, TensorSlices> tensors = new HashMap<>();
    for (SafetensorsFile file : files) {
      file.header().tensors().keySet().forEach(name -> tensors.put(name, file.slices(name)));
    }
    return tensors;
  }

  /** The entries of the headers' {@code __metadata__} for which no two files differ. */
  Map<String, String> metadata() {
    Map<String, String> common = new TreeMap<>();
    Set<String> disputed = new HashSet<>();
    for (SafetensorsFile file : files) {
      file.header()
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

  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
