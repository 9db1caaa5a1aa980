package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The tensors of a base that are one parameter under two names, such as a language model's head and
 * its embedding. Tied are matrices of one shape and type with equal bytes, unless the folder's
 * {@code config.json} says {@code "tie_word_embeddings": false}. A matrix whose elements are all
 * equal, as a new one often is, is not tied.
 *
 * @param sources by the name of each tensor that follows another: the name of that other tensor
 */
public record TiedWeights(SortedMap<String, String> sources) {
  private static final int SLICE_ELEMENTS = 1 << 20;

  /** No tied tensor. */
  public static final TiedWeights NONE = new TiedWeights(Collections.emptySortedMap());

  /** The tied tensors of a base; reads matrices of equal shape until they differ. */
  public static TiedWeights of(Checkpoint base) {
    if (base.configFlag("tie_word_embeddings").filter(tied -> !tied).isPresent()) {
      return NONE;
    }
    Map<String, List<TensorInfo>> alike = new LinkedHashMap<>();
    for (TensorInfo tensor : base.tensors().values()) {
      if (tensor.shape().size() == 2 && tensor.elements() > 1 && tensor.dtype().mergeable()) {
        alike
            .computeIfAbsent("" + tensor.dtype() + tensor.shape(), key -> new ArrayList<>())
            .add(tensor);
      }
    }
    SortedMap<String, String> sources = new TreeMap<>();
    for (List<TensorInfo> group : alike.values()) {
      tie(base, new ArrayList<>(group), sources);
    }
    return new TiedWeights(Collections.unmodifiableSortedMap(sources));
  }

  private static void tie(
      Checkpoint base, List<TensorInfo> group, SortedMap<String, String> sources) {
    while (group.size() > 1) {
      TensorInfo first = group.remove(0);
      List<TensorInfo> same =
          group.stream()
              .filter(other -> base.hasSameBytes(first.name(), base, other.name()))
              .toList();
      group.removeAll(same);
      if (!same.isEmpty() && !isConstant(base, first)) {
        List<String> names = new ArrayList<>(same.stream().map(TensorInfo::name).toList());
        names.add(first.name());
        names.sort(null);
        String source =
            names.stream().filter(TiedWeights::isEmbedding).findFirst().orElse(names.get(0));
        names.stream().filter(n -> !n.equals(source)).forEach(n -> sources.put(n, source));
      }
    }
  }

  private static boolean isEmbedding(String name) {
    return name.matches(".*(embed|wte|shared).*") && !name.matches(".*(embed_out|unembed).*");
  }

  /**
   * Rejects a model that has both names of a tied parameter with different values.
   *
   * @param what the model, for the message
   */
  public void requireTied(String what, Checkpoint model) {
    sources.forEach(
        (name, source) -> {
          TensorInfo own = model.tensors().get(source);
          TensorInfo follower = model.tensors().get(name);
          if (own != null
              && follower != null
              && !(own.dtype() == follower.dtype()
                  && own.shape().equals(follower.shape())
                  && model.hasSameBytes(source, model, name))) {
            throw new InvalidInput(
                ("%s (%s): tensors '%s' and '%s' differ, but the base ties them. To merge them as two"
                        + " parameters, set \"tie_word_embeddings\": false in the base's config.json")
                    .formatted(what, model.path(), name, source));
          }
        });
  }

  private static boolean isConstant(Checkpoint file, TensorInfo tensor) {
    int size = tensor.dtype().bytes();
    for (long at = 0; at < tensor.elements(); at += SLICE_ELEMENTS) {
      int count = (int) Math.min(SLICE_ELEMENTS, tensor.elements() - at);
      ByteBuffer first = file.slice(tensor.name(), 0, 1);
      ByteBuffer run = file.slice(tensor.name(), at, count);
      for (int i = 0; i < count; i++) {
        if (!run.slice(i * size, size).equals(first)) {
          return false;
        }
      }
    }
    return true;
  }
}
