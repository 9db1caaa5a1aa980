package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelName;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.CRC32;

/**
 * A model version whose Fisher is estimated from topic {@code examples}, and the settings of the
 * estimation.
 *
 * @param manifest its manifest
 * @param estimator which gradients are squared
 * @param batchSize examples that go through the model together
 */
public record EstimatedModel(ModelManifest manifest, Estimator estimator, int batchSize) {

  /** Reads a manifest. Rejects one without a usable estimation. */
  public static EstimatedModel of(ModelManifest manifest) {
    Estimation estimation = manifest.getEstimation();
    if (estimation == null) {
      throw new RejectedRecord(
          RejectionKind.NOT_WANTED,
          version(manifest) + " accepts no examples: its manifest has no estimation");
    }
    try {
      new ModelName(manifest.getModel());
      if (estimation.getBatchSize() < 1) {
        throw new InvalidInput("batchSize is " + estimation.getBatchSize());
      }
      return new EstimatedModel(
          manifest,
          Estimator.named(
              estimation.getEstimator(),
              estimation.getSamples(),
              estimation.getSeed(),
              estimation.getExactVocabulary()),
          estimation.getBatchSize());
    } catch (InvalidInput e) {
      throw new RejectedRecord(
          RejectionKind.NOT_WANTED,
          version(manifest) + " accepts no examples: its estimation: " + e.getMessage());
    }
  }

  /**
   * Rejects, with {@link InvalidInput}, a model that has no gradient for one of the parameters that
   * the pool merges.
   *
   * @param estimated the parameters that its runtime computes gradients for
   * @param origin the model, for the message
   */
  public static void requireGradients(
      List<TensorInfo> estimated, ModelManifest manifest, String origin) {
    Set<String> names = estimated.stream().map(TensorInfo::name).collect(Collectors.toSet());
    for (TensorInfo wanted : ManifestTensors.merged(manifest)) {
      if (!names.contains(wanted.name())) {
        throw new InvalidInput(
            ("%s: the merged parameter %s has no gradient in this architecture; exclude it from the"
                    + " pool's merge")
                .formatted(origin, wanted.name()));
      }
    }
  }

  private static ModelVersion version(ModelManifest manifest) {
    return new ModelVersion(manifest.getModel(), manifest.getVersion());
  }

  /** The model and version. */
  public ModelVersion version() {
    return version(manifest);
  }

  /**
   * The partition of an example. It depends on the index, so that the instances of the stage share
   * a model's examples. When batches must consist of neighbours, all examples go to one partition.
   */
  public int partition(long index, int partitions) {
    if (estimator.dependsOnBatches()) {
      CRC32 crc = new CRC32();
      crc.update(manifest.getModel().getBytes(StandardCharsets.UTF_8));
      return (int) (crc.getValue() % partitions);
    }
    return (int) (index % partitions);
  }

  /** The example's position among those of its partition, where neighbours differ by 1. */
  public long place(long index, int partitions) {
    return estimator.dependsOnBatches() ? index : index / partitions;
  }

  /** Rejects an index that the model does not accept. */
  public void requireTaken(long index) {
    if (index < 0) {
      throw new RejectedRecord(
          RejectionKind.NOT_WANTED, "index is " + index + ", expected at least 0");
    }
    if (index >= manifest.getExamples() && manifest.getRefineEvery() == 0) {
      throw new RejectedRecord(
          RejectionKind.NOT_WANTED,
          String.format(
              Locale.ROOT,
              "%s: example %d is beyond the %d that it accepts (refineEvery is 0)",
              version(),
              index,
              manifest.getExamples()));
    }
  }

  /**
   * The batch of an example when batches consist of neighbours. Batches are counted from example 0,
   * and again from the first example beyond the wanted ones, so every instance and every run forms
   * the same batches.
   */
  public Batch batch(long index) {
    long wanted = manifest.getExamples();
    if (index < wanted) {
      long first = index - index % batchSize;
      return new Batch(first, Math.min(wanted, first + batchSize));
    }
    long first = index - (index - wanted) % batchSize;
    return new Batch(first, first + batchSize);
  }

  /**
   * Neighbouring examples.
   *
   * @param first index of the first
   * @param end index after the last
   */
  public record Batch(long first, long end) {}
}
