package io.fisherstreams.release;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.MissingNames;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The folder of a release's base, whose config and tokenizer an export copies. */
public final class BaseFolder {
  private static final int NAMES_SHOWN = 5;

  private BaseFolder() {}

  /**
   * The tied tensors of a base's folder; none when it has no weights.
   *
   * @param release the release's tensors
   * @throws InvalidInput when the folder has another model: one that lacks tensors of the release,
   *     has them in other shapes, or has more. Buffers, which some versions of a library save and
   *     others do not, may differ
   */
  public static TiedWeights ties(Path folder, List<TensorInfo> release) {
    if (!Checkpoint.isIn(folder)) {
      return TiedWeights.NONE;
    }
    Map<String, TensorInfo> wanted = new TreeMap<>();
    release.stream()
        .filter(tensor -> !MissingNames.isBuffer(tensor.name()))
        .forEach(tensor -> wanted.put(tensor.name(), tensor));
    try (Checkpoint base = Checkpoint.openAs(folder, wanted.keySet())) {
      TiedWeights ties = TiedWeights.of(base);
      Map<String, TensorInfo> found = new TreeMap<>(base.tensors());
      found.keySet().removeIf(MissingNames::isBuffer);
      require(folder, "it lacks tensors of the release", names(wanted, found));
      for (TensorInfo tensor : wanted.values()) {
        List<Long> shape = found.get(tensor.name()).shape();
        if (!shape.equals(tensor.shape())) {
          throw another(
              folder,
              "tensor '%s' has shape %s there and %s in the release"
                  .formatted(tensor.name(), shape, tensor.shape()));
        }
      }
      found.keySet().removeAll(ties.sources().keySet());
      require(folder, "it has tensors that the release lacks", names(found, wanted));
      return ties;
    }
  }

  /** The names of one that the other lacks. */
  private static List<String> names(Map<String, TensorInfo> one, Map<String, TensorInfo> other) {
    return one.keySet().stream().filter(name -> !other.containsKey(name)).toList();
  }

  private static void require(Path folder, String difference, List<String> names) {
    if (!names.isEmpty()) {
      throw another(
          folder,
          "%s: %s%s"
              .formatted(
                  difference,
                  String.join(", ", names.subList(0, Math.min(names.size(), NAMES_SHOWN))),
                  names.size() > NAMES_SHOWN ? ", …" : ""));
    }
  }

  private static InvalidInput another(Path folder, String difference) {
    return new InvalidInput(
        "--base-folder %s is not the base of this release: %s".formatted(folder, difference));
  }
}
