package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/**
 * Checks files against a pool's manifests before anything is published. Refusals name file, tensor,
 * expected and found.
 */
public final class ModelCheck {
  private static final int NAMES_SHOWN = 5;

  /** The key of a Fisher file's metadata that holds its example count. */
  private static final String EXAMPLES = "examples";

  private ModelCheck() {}

  /** The parameters that a pool merges, by its base model's manifest. */
  public static MergeSet mergeSet(ModelManifest base) {
    return MergeSet.of(ManifestTensors.all(base), base.getMethod().getExcludeParamNamesRegex());
  }

  /** The merged parameters of a fine-tuned model, as float32 tensors of their Fisher. */
  public static List<TensorInfo> merged(ModelManifest manifest) {
    List<TensorInfo> merged = new ArrayList<>();
    for (Parameter parameter : manifest.getParameters()) {
      if (parameter.getMerged()) {
        merged.add(new TensorInfo(parameter.getName(), DType.F32, parameter.getShape()));
      }
    }
    return merged;
  }

  /** Refuses settings that the coordinator would refuse. */
  public static void settings(ModelManifest manifest) {
    Double coefficient = manifest.getCoefficient();
    if (coefficient != null && (!(coefficient >= 0) || coefficient.isInfinite())) {
      throw new InvalidInput(
          "coefficient is " + coefficient + ", expected a finite number of at least 0");
    }
    if (manifest.getExamples() < 1) {
      throw new InvalidInput("examples is " + manifest.getExamples() + ", expected at least 1");
    }
    if (manifest.getRefineEvery() < 0) {
      throw new InvalidInput(
          "refine-every is " + manifest.getRefineEvery() + ", expected at least 0");
    }
    if (!(manifest.getDecay() > 0 && manifest.getDecay() <= 1)) {
      throw new InvalidInput(
          "decay is " + manifest.getDecay() + ", expected above 0 and at most 1");
    }
    if (manifest.getMethod() != null) {
      double epsilon = manifest.getMethod().getMinimalFisherWeight();
      if (!(epsilon >= 0) || Double.isInfinite(epsilon)) {
        throw new InvalidInput(
            "minimal-fisher-weight is " + epsilon + ", expected a finite number of at least 0");
      }
      mergeSet(manifest); // refuses an unreadable pattern
    }
  }

  /** Refuses a base with a NaN in any tensor: a release takes those that are not merged from it. */
  public static void base(Checkpoint base) {
    for (TensorInfo tensor : floating(base)) {
      requireNoNaN(base, tensor);
    }
  }

  /** A checkpoint's floating tensors, merged or not. */
  public static List<TensorInfo> floating(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream()
        .filter(tensor -> tensor.dtype().mergeable())
        .toList();
  }

  /**
   * Refuses a checkpoint that lacks a merged parameter, has one of another shape, or a NaN in one.
   */
  public static void checkpoint(Checkpoint checkpoint, ModelManifest base, MergeSet mergeSet) {
    if (mergeSet.names().isEmpty()) {
      throw new InvalidInput(
          "the pool merges no parameter: its patterns exclude all of the base's");
    }
    SortedMap<String, TensorInfo> wanted = new TreeMap<>();
    ManifestTensors.all(base).forEach(tensor -> wanted.put(tensor.name(), tensor));
    wanted.keySet().retainAll(mergeSet.names());
    requireMerged("checkpoint", checkpoint, wanted.values());
    for (String name : wanted.keySet()) {
      requireNoNaN(checkpoint, checkpoint.tensors().get(name));
    }
  }

  /** Refuses a floating tensor with a NaN. */
  public static void requireNoNaN(Checkpoint checkpoint, TensorInfo tensor) {
    scan(
        checkpoint,
        tensor,
        (shard, data) -> FloatScan.firstNaN(tensor.dtype(), data, shard.elements()),
        "is NaN");
  }

  /**
   * Refuses a model that has no gradient for one of the parameters that the pool merges.
   *
   * @param estimated the parameters that its runtime takes gradients for
   * @param origin the model, for the message
   */
  public static void requireGradients(
      List<TensorInfo> estimated, ModelManifest manifest, String origin) {
    Set<String> names = estimated.stream().map(TensorInfo::name).collect(Collectors.toSet());
    for (TensorInfo wanted : merged(manifest)) {
      if (!names.contains(wanted.name())) {
        throw new InvalidInput(
            ("%s: the merged parameter %s has no gradient in this architecture; exclude it from the"
                    + " pool's merge")
                .formatted(origin, wanted.name()));
      }
    }
  }

  /**
   * Refuses a Fisher that lacks a merged parameter, has one of another shape, or an entry that is
   * negative, NaN or infinite.
   */
  public static void fisher(Checkpoint fisher, ModelManifest manifest) {
    List<TensorInfo> merged = merged(manifest);
    requireMerged("Fisher", fisher, merged);
    for (TensorInfo wanted : merged) {
      TensorInfo found = fisher.tensors().get(wanted.name());
      scan(
          fisher,
          found,
          (shard, data) ->
              FloatScan.firstNegativeOrNotFinite(found.dtype(), data, shard.elements()),
          "is negative, NaN or infinite");
    }
  }

  /** Refuses gradients that do not fit; returns the number of examples. */
  public static long gradients(Checkpoint gradients, ModelManifest manifest) {
    long examples = -1;
    for (TensorInfo wanted : merged(manifest)) {
      TensorInfo found = gradients.tensors().get(wanted.name());
      if (found == null) {
        throw new InvalidInput(
            "%s lacks the gradients of %s".formatted(gradients.path(), wanted.name()));
      }
      int rank = wanted.shape().size() + 1;
      boolean fits =
          found.dtype() == DType.F32
              && found.shape().size() == rank
              && found.shape().subList(1, rank).equals(wanted.shape())
              && found.shape().get(0) > 0
              && (examples < 0 || examples == found.shape().get(0));
      if (!fits) {
        throw new InvalidInput(
            "%s: %s is %s %s, expected F32 with the shape [%s] and %s behind it"
                .formatted(
                    gradients.path(),
                    wanted.name(),
                    found.dtype(),
                    found.shape(),
                    examples < 0 ? "examples" : Long.toString(examples),
                    wanted.shape()));
      }
      examples = found.shape().get(0);
      scan(
          gradients,
          found,
          (shard, data) -> FloatScan.firstNotFinite(DType.F32, data, shard.elements()),
          "is NaN or infinite");
    }
    return examples;
  }

  /**
   * Refuses a file that lacks a merged parameter, or has one of another shape or in a type that is
   * not floating.
   *
   * @param what the file is, for the message
   * @param merged the merged parameters, of the base's shapes
   */
  public static void requireMerged(String what, Checkpoint file, Collection<TensorInfo> merged) {
    List<String> missing =
        merged.stream()
            .map(TensorInfo::name)
            .filter(name -> !file.tensors().containsKey(name))
            .toList();
    if (!missing.isEmpty()) {
      throw new InvalidInput(
          "%s (%s) lacks %d of the %d merged parameters: %s%s"
              .formatted(
                  what,
                  file.path(),
                  missing.size(),
                  merged.size(),
                  String.join(", ", missing.subList(0, Math.min(missing.size(), NAMES_SHOWN))),
                  missing.size() > NAMES_SHOWN ? ", …" : ""));
    }
    for (TensorInfo expected : merged) {
      TensorInfo found = file.tensors().get(expected.name());
      if (!found.shape().equals(expected.shape())) {
        throw new InvalidInput(
            "%s (%s): tensor '%s' has shape %s, expected the base's %s"
                .formatted(what, file.path(), found.name(), found.shape(), expected.shape()));
      }
      if (!found.dtype().mergeable()) {
        throw new InvalidInput(
            "%s (%s): tensor '%s' is %s, expected F64, F32, BF16 or F16"
                .formatted(what, file.path(), found.name(), found.dtype()));
      }
    }
  }

  private interface Scan {
    long firstBad(Shard shard, ByteBuffer data);
  }

  private static void scan(Checkpoint file, TensorInfo tensor, Scan scan, String what) {
    for (int index = 0; index < Shard.count(tensor); index++) {
      Shard shard = new Shard(tensor, index);
      long bad =
          scan.firstBad(shard, file.slice(tensor.name(), shard.firstElement(), shard.elements()));
      if (bad >= 0) {
        throw new InvalidInput(
            "%s: element %d of %s %s"
                .formatted(file.path(), shard.firstElement() + bad, tensor.name(), what));
      }
    }
  }

  /** Bytes of the checkpoint shards that a manifest lists. */
  public static long bytes(ModelManifest manifest) {
    return sum(manifest, parameter -> ManifestTensors.of(parameter).bytes());
  }

  /** Bytes of one dense gradient batch of every merged parameter. */
  public static long fisherBytes(ModelManifest manifest) {
    return sum(manifest, p -> p.getMerged() ? ManifestTensors.of(p).elements() * Float.BYTES : 0);
  }

  private static long sum(ModelManifest manifest, ToLongFunction<Parameter> bytes) {
    return manifest.getParameters().stream().mapToLong(bytes).sum();
  }

  /** Hash of the merged parameters' Fisher. */
  public static String fisherHash(Checkpoint fisher, ModelManifest manifest) {
    return ContentHash.of(
        TensorSource.of(fisher),
        manifest.getParameters().stream().filter(Parameter::getMerged).toList());
  }

  /** Examples that a Fisher file says it stands for, if it does. */
  public static OptionalLong examples(Checkpoint fisher) {
    String text = fisher.metadata().get(EXAMPLES);
    if (text == null) {
      return OptionalLong.empty();
    }
    try {
      long examples = Long.parseLong(text);
      if (examples > 0) {
        return OptionalLong.of(examples);
      }
    } catch (NumberFormatException e) {
      // refused below like a number out of range
    }
    throw new InvalidInput(
        "%s: metadata '%s' is '%s', expected the number of examples the Fisher stands for"
            .formatted(fisher.path(), EXAMPLES, text));
  }
}
