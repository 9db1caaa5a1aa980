package io.fisherstreams.publish;

import com.google.common.base.CaseFormat;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.MissingNames;
import io.fisherstreams.checkpoint.QuantizedWeights;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.fisher.FisherMoments;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.NamePatterns;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToLongFunction;

/**
 * Checks files against a pool's manifests before anything is published. Every message names file,
 * tensor, expected and found.
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

  /**
   * Rejects settings that the coordinator would reject, naming the options that set them: {@code
   * --refine-every} for {@code refineEvery}.
   */
  public static void settings(ModelManifest manifest) {
    ManifestRules.check(
        manifest,
        field -> CaseFormat.LOWER_CAMEL.converterTo(CaseFormat.LOWER_HYPHEN).convert(field));
  }

  /**
   * Rejects a base that is quantised, or has a NaN in any tensor (a release copies the tensors that
   * are not merged) or an infinity in a merged one.
   */
  public static void base(Checkpoint base, MergeSet mergeSet, List<String> patterns) {
    rejectQuantized(base, patterns);
    for (TensorInfo tensor : floating(base)) {
      requireUsable(base, tensor, mergeSet);
    }
  }

  /** Rejects a base with quantised weights that no pattern excludes. */
  public static void rejectQuantized(Checkpoint base, List<String> patterns) {
    QuantizedWeights.reject("base", base, NamePatterns.of(patterns)::match);
  }

  /**
   * Rejects a base's floating tensor with a NaN, or, if it is merged, with an infinity. An infinity
   * is valid where it is only copied: a mask has one.
   */
  public static void requireUsable(Checkpoint base, TensorInfo tensor, MergeSet mergeSet) {
    boolean merged = mergeSet.merges(tensor.name());
    for (int index = 0; index < Shard.count(tensor); index++) {
      Shard shard = new Shard(tensor, index);
      if (merged) {
        requireFinite("base", base, shard);
      } else {
        require("base", base, shard, FloatScan::firstNaN, "no NaN");
      }
    }
  }

  /** A checkpoint's floating tensors, merged or not. */
  public static List<TensorInfo> floating(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream()
        .filter(tensor -> tensor.dtype().mergeable())
        .toList();
  }

  /**
   * Rejects a checkpoint that lacks a merged parameter, has one in another shape, has a NaN or an
   * infinity in one, or has a head that the base ties to a merged embedding.
   */
  public static void checkpoint(Checkpoint checkpoint, ModelManifest base, MergeSet mergeSet) {
    if (mergeSet.names().isEmpty()) {
      throw new InvalidInput(
          "the pool merges no parameter: its patterns exclude all of the base's");
    }
    SortedMap<String, TensorInfo> wanted = new TreeMap<>();
    ManifestTensors.all(base).forEach(tensor -> wanted.put(tensor.name(), tensor));
    Set<String> inBase = Set.copyOf(wanted.keySet());
    wanted.keySet().retainAll(mergeSet.names());
    QuantizedWeights.reject("checkpoint", checkpoint, name -> false);
    requireMerged("checkpoint", checkpoint, wanted.values());
    TiedWeights.requireTied("checkpoint", checkpoint, inBase::contains);
    wanted.keySet().removeAll(checkpoint.unchanged());
    if (wanted.isEmpty()) {
      throw new InvalidInput(
          "%s: the adapter changes none of the %s parameters that the pool merges"
              .formatted(checkpoint.path(), mergeSet.names().size()));
    }
    for (String name : wanted.keySet()) {
      TensorInfo tensor = checkpoint.tensors().get(name);
      for (int index = 0; index < Shard.count(tensor); index++) {
        requireFinite("checkpoint", checkpoint, new Shard(tensor, index));
      }
    }
  }

  /**
   * Rejects a shard of a merged parameter with a NaN or an infinity: an infinity stays infinite,
   * whatever it is averaged with, and becomes a NaN where its weight is 0.
   *
   * @param what the file is, for the message
   */
  public static void requireFinite(String what, Checkpoint checkpoint, Shard shard) {
    require(
        what,
        checkpoint,
        shard,
        FloatScan::firstNotFinite,
        "finite parameters; exclude the tensor to keep the base's value");
  }

  /** Finds the first element that is rejected; below 0 when there is none. */
  private interface Search {
    long first(DType dtype, ByteBuffer data, int elements);
  }

  private static void require(
      String what, Checkpoint file, Shard shard, Search bad, String expected) {
    TensorInfo tensor = shard.tensor();
    ByteBuffer data = file.slice(tensor.name(), shard.firstElement(), shard.elements());
    long at = bad.first(tensor.dtype(), data, shard.elements());
    if (at >= 0) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s (%s): tensor '%s' has %s at element %d, expected %s",
              what,
              file.path(),
              tensor.name(),
              FloatCodec.toDouble(tensor.dtype(), data, (int) at),
              shard.firstElement() + at,
              expected));
    }
  }

  /**
   * Rejects a Fisher that lacks a merged parameter, has one in another shape, or has an entry that
   * is negative, NaN or infinite.
   *
   * @return its sums over the merged parameters; the coefficient is 1
   */
  public static MergeFormula.Model fisher(Checkpoint fisher, ModelManifest manifest) {
    List<TensorInfo> merged = ManifestTensors.merged(manifest);
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
    return sums(fisher, merged);
  }

  private static MergeFormula.Model sums(Checkpoint fisher, List<TensorInfo> merged) {
    FisherReader reader = new FisherReader(fisher);
    float[] entries = new float[Shard.ELEMENTS];
    double total = 0;
    double squares = 0;
    long elements = 0;
    for (TensorInfo tensor : merged) {
      elements += tensor.elements();
      for (int index = 0; index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        FloatCodec.toFloat(DType.F32, reader.read(shard), 0, entries, 0, shard.elements());
        FisherMoments moments = FisherMoments.of(entries, shard.elements(), 1);
        total += moments.total();
        squares += moments.squares();
      }
    }
    return new MergeFormula.Model(1, total, Math.sqrt(squares), elements);
  }

  /** Rejects gradients of other shapes or values; returns the number of examples. */
  public static long gradients(Checkpoint gradients, ModelManifest manifest) {
    long examples = -1;
    for (TensorInfo wanted : ManifestTensors.merged(manifest)) {
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
   * Rejects a file that lacks a merged parameter, or has one in another shape or in a type that is
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
          String.format(
              Locale.ROOT,
              "%s (%s) lacks %d of the %d merged parameters: %s%s%s",
              what,
              file.path(),
              missing.size(),
              merged.size(),
              String.join(", ", missing.subList(0, Math.min(missing.size(), NAMES_SHOWN))),
              missing.size() > NAMES_SHOWN ? ", …" : "",
              MissingNames.explain(file, missing, merged.stream().map(TensorInfo::name).toList())));
    }
    for (TensorInfo expected : merged) {
      TensorInfo found = file.tensors().get(expected.name());
      if (!found.shape().equals(expected.shape())) {
        throw new InvalidInput(
            "%s (%s): tensor '%s' has shape %s, expected the base's %s%s"
                .formatted(
                    what,
                    file.path(),
                    found.name(),
                    found.shape(),
                    expected.shape(),
                    MissingNames.explainShape(found, expected)));
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
            String.format(
                Locale.ROOT,
                "%s: element %d of %s %s",
                file.path(),
                shard.firstElement() + bad,
                tensor.name(),
                what));
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

  /** The hash, in a Fisher file's metadata, of the checkpoint that it was computed from. */
  public static Optional<String> checkpointSha256(Checkpoint fisher) {
    return Optional.ofNullable(fisher.metadata().get("checkpoint_sha256"));
  }

  /** The number of examples in a Fisher file's metadata, if it has one. */
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
      // rejected below like a number out of range
    }
    throw new InvalidInput(
        "%s: metadata '%s' is '%s', expected the number of examples that the Fisher was computed from"
            .formatted(fisher.path(), EXAMPLES, text));
  }
}
