package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MethodSettings;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** Creates manifests from checkpoints. */
public final class Manifests {
  private Manifests() {}

  /** A base model's manifest for a pool that merges all its tensors by the default method. */
  public static ModelManifest base(String name, long version, Collection<TensorInfo> tensors) {
    return base(
        name,
        version,
        tensors,
        MergeMethods.of(MethodSettings.NONE.formula(UnaryOperator.identity()), List.of(), null),
        "");
  }

  /** A base model's manifest: all its tensors, without Fishers. */
  public static ModelManifest base(
      String name,
      long version,
      Collection<TensorInfo> tensors,
      MergeMethod method,
      String contentHash) {
    List<Parameter> parameters = new ArrayList<>();
    tensors.forEach(tensor -> parameters.add(parameter(tensor, false)));
    return ModelManifest.newBuilder()
        .setModel(name)
        .setVersion(version)
        .setRole(Role.BASE)
        .setParameters(parameters)
        .setMethod(method)
        .setContentHash(contentHash)
        .build();
  }

  /** A whole model's manifest; see the other method. */
  public static ModelManifest.Builder fineTuned(
      String name,
      long version,
      Collection<TensorInfo> tensors,
      MergeSet mergeSet,
      boolean withOthers) {
    return fineTuned(name, version, tensors, Optional.empty(), mergeSet, withOthers);
  }

  /**
   * What a checkpoint leaves as its base has it; empty for a whole model.
   *
   * @param inBase whether the base that was published has a tensor
   */
  public static Optional<UnchangedParameters> unchanged(
      Checkpoint checkpoint, long baseVersion, Predicate<String> inBase) {
    return checkpoint.isExpanded()
        ? Optional.of(
            new UnchangedParameters(
                baseVersion, checkpoint.unchanged().stream().filter(inBase).sorted().toList()))
        : Optional.empty();
  }

  /**
   * A fine-tuned model's manifest.
   *
   * @param tensors the model's own tensors
   * @param unchanged what it leaves as its base has it; nothing for a whole model
   * @param mergeSet the pool's merged parameters, which need a Fisher
   * @param withOthers whether tensors outside the merge set are published too, as the gradient
   *     stage needs them
   */
  public static ModelManifest.Builder fineTuned(
      String name,
      long version,
      Collection<TensorInfo> tensors,
      Optional<UnchangedParameters> unchanged,
      MergeSet mergeSet,
      boolean withOthers) {
    List<Parameter> parameters = new ArrayList<>();
    for (TensorInfo tensor : tensors) {
      boolean merged = mergeSet.merges(tensor.name());
      if (merged || withOthers) {
        parameters.add(parameter(tensor, merged));
      }
    }
    return ModelManifest.newBuilder()
        .setModel(name)
        .setVersion(version)
        .setRole(Role.FINE_TUNED)
        .setUnchanged(unchanged.orElse(null))
        .setParameters(parameters);
  }

  private static Parameter parameter(TensorInfo tensor, boolean merged) {
    return new Parameter(tensor.name(), tensor.dtype().name(), tensor.shape(), merged);
  }
}
