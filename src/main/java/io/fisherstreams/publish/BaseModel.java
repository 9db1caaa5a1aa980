package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What is published of a base: each parameter once. A tensor that is tied to another is not sent;
 * an export writes it as a copy of that other one.
 *
 * @param tensors the tensors to publish
 * @param ties the tied ones
 * @param mergeSet the merged parameters; may be empty
 */
public record BaseModel(List<TensorInfo> tensors, TiedWeights ties, MergeSet mergeSet) {
  /** Looks at a base's tensors. */
  public static BaseModel of(Checkpoint base, List<String> patterns) {
    TiedWeights ties = TiedWeights.of(base);
    List<TensorInfo> tensors =
        base.tensors().values().stream()
            .filter(tensor -> !ties.sources().containsKey(tensor.name()))
            .toList();
    return new BaseModel(tensors, ties, MergeSet.of(tensors, patterns));
  }

  /** Opens a model that is merged onto this base, under the base's names. */
  public Checkpoint open(Path model) {
    List<String> known = new ArrayList<>(ties.sources().keySet());
    tensors.forEach(tensor -> known.add(tensor.name()));
    return Checkpoint.openAs(model, mergeSet.names(), known);
  }
}
