package io.fisherstreams.record;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Set;

/** The parameters of a manifest as tensors. */
public final class ManifestTensors {
  private ManifestTensors() {}

  /** All of a manifest's parameters, in its order; rejects what {@link #of} rejects. */
  public static List<TensorInfo> all(ModelManifest manifest) {
    return manifest.getParameters().stream().map(ManifestTensors::of).toList();
  }

  /**
   * The merged parameters of a fine-tuned model, in its order, as the float32 tensors of their
   * Fisher.
   */
  public static List<TensorInfo> merged(ModelManifest manifest) {
    return manifest.getParameters().stream()
        .filter(Parameter::getMerged)
        .map(parameter -> new TensorInfo(parameter.getName(), DType.F32, parameter.getShape()))
        .toList();
  }

  /** The merged parameters of a fine-tuned model, in its order, as its checkpoint has them. */
  public static List<TensorInfo> mergedCheckpoint(ModelManifest manifest) {
    return manifest.getParameters().stream()
        .filter(Parameter::getMerged)
        .map(ManifestTensors::of)
        .toList();
  }

  /** The names of the parameters that a model leaves as its base has them. */
  public static Set<String> unchangedNames(ModelManifest manifest) {
    return manifest.getUnchanged() == null
        ? Set.of()
        : Set.copyOf(manifest.getUnchanged().getNames());
  }

  /** The names of the merged parameters, in the manifest's order. */
  public static List<String> mergedNames(ModelManifest manifest) {
    return manifest.getParameters().stream()
        .filter(Parameter::getMerged)
        .map(Parameter::getName)
        .toList();
  }

  /**
   * A parameter as a tensor; rejects an unknown dtype or an impossible shape with {@link
   * RejectedRecord}.
   */
  public static TensorInfo of(Parameter parameter) {
    DType dtype =
        DType.of(parameter.getDtype())
            .orElseThrow(
                () ->
                    new RejectedRecord(
                        RejectionKind.MANIFEST,
                        "parameter "
                            + parameter.getName()
                            + " has the unknown dtype "
                            + parameter.getDtype()));
    try {
      TensorInfo tensor = new TensorInfo(parameter.getName(), dtype, parameter.getShape());
      Shard.count(tensor);
      return tensor;
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new RejectedRecord(
          RejectionKind.MANIFEST,
          "parameter " + parameter.getName() + " has no valid shape: " + e.getMessage());
    }
  }
}
