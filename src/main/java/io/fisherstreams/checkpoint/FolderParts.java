package io.fisherstreams.checkpoint;

import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * How tensors are distributed over the safetensors files of a Hugging Face folder: all in {@code
 * model.safetensors}, or, when they do not fit into one part, in {@code
 * model-00001-of-0000N.safetensors} and so on with an index.
 *
 * @param parts the tensors of each file, in the order in which files are filled
 */
record FolderParts(List<List<TensorInfo>> parts) {
  /**
   * Fills one part after the other.
   *
   * @param tensors in the order in which parts are filled
   * @param maxBytes most bytes of tensors in a part; a larger tensor gets a part of its own
   */
  static FolderParts of(Collection<TensorInfo> tensors, long maxBytes) {
    if (maxBytes <= 0) {
      throw new IllegalArgumentException(String.format(Locale.ROOT, "parts of %d bytes", maxBytes));
    }
    List<List<TensorInfo>> parts = new ArrayList<>();
    parts.add(new ArrayList<>());
    long bytes = 0;
    for (TensorInfo tensor : tensors) {
      List<TensorInfo> part = parts.get(parts.size() - 1);
      if (!part.isEmpty() && tensor.bytes() > maxBytes - bytes) {
        part = new ArrayList<>();
        parts.add(part);
        bytes = 0;
      }
      part.add(tensor);
      bytes = Math.addExact(bytes, tensor.bytes());
    }
    return new FolderParts(parts);
  }

  /** The file name of a part, numbered from 0. */
  String name(int part) {
    return parts.size() == 1
        ? Checkpoint.SINGLE_FILE
        : String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", part + 1, parts.size());
  }

  /** The content of {@code model.safetensors.index.json}; empty for a single part. */
  Optional<byte[]> index() {
    if (parts.size() == 1) {
      return Optional.empty();
    }
    SortedMap<String, String> fileOfTensor = new TreeMap<>();
    long bytes = 0;
    for (int part = 0; part < parts.size(); part++) {
      for (TensorInfo tensor : parts.get(part)) {
        fileOfTensor.put(tensor.name(), name(part));
        bytes += tensor.bytes();
      }
    }
    return Optional.of(FolderIndex.json(fileOfTensor, bytes));
  }
}
