package io.fisherstreams.estimation;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.gradient.model.SquaredSums.SparseRun;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * Encodes sums of squared gradients as gradient batches, one for each shard of each merged
 * parameter: float32, with indices where a shard is sparse. Not for use by several threads.
 */
final class GradientBatches {
  private final ModelManifest manifest;
  private final List<Shard> shards = new ArrayList<>();
  private final float[] values = new float[Shard.ELEMENTS];

  GradientBatches(ModelManifest manifest) {
    this.manifest = manifest;
    for (TensorInfo tensor : ManifestTensors.merged(manifest)) {
      for (int index = 0; index < Shard.count(tensor); index++) {
        shards.add(new Shard(tensor, index));
      }
    }
  }

  /**
   * Encodes all sums.
   *
   * @return bytes of the batches' indices and data
   */
  long encode(
      SquaredSums sums, String source, long sequence, BiConsumer<Shard, GradientBatch> output) {
    long bytes = 0;
    for (Shard shard : shards) {
      GradientBatch batch = batch(sums, shard, source, sequence);
      bytes += batch.getIndices().remaining() + batch.getData().remaining();
      output.accept(shard, batch);
    }
    return bytes;
  }

  /** Rejects sums that leave the range of float32 with {@link InvalidInput}. */
  void requireFinite(SquaredSums sums) {
    for (Shard shard : shards) {
      copy(sums, shard);
      for (int i = 0; i < shard.elements(); i++) {
        if (!Float.isFinite(values[i])) {
          throw new InvalidInput(
              "model %s: parameter %s: its squared gradients leave the range of float32 (%s)"
                  .formatted(
                      new ModelVersion(manifest.getModel(), manifest.getVersion()),
                      shard.tensor().name(),
                      values[i]));
        }
      }
    }
  }

  private void copy(SquaredSums sums, Shard shard) {
    sums.copy(shard.tensor().name(), shard.firstElement(), values, 0, shard.elements());
  }

  private GradientBatch batch(SquaredSums sums, Shard shard, String source, long sequence) {
    GradientBatch batch =
        GradientBatch.newBuilder()
            .setModel(manifest.getModel())
            .setVersion(manifest.getVersion())
            .setParameter(shard.tensor().name())
            .setShard(shard.index())
            .setSource(source)
            .setSequence(sequence)
            .setExamples(sums.examples())
            .setEncoding(Encoding.SQUARED_SUM)
            .setData(ByteBuffer.allocate(0))
            .build();
    Optional<SparseRun> sparse =
        sums.sparseRun(shard.tensor().name(), shard.firstElement(), shard.elements());
    if (sparse.isPresent()) {
      SparseRun run = sparse.get();
      ByteBuffer indices = allocate(run.indices().length);
      indices.asIntBuffer().put(run.indices());
      batch.setEncoding(Encoding.SPARSE_SQUARED_SUM);
      batch.setIndices(indices);
      batch.setData(bytes(run.values(), run.values().length));
    } else {
      copy(sums, shard);
      batch.setData(bytes(values, shard.elements()));
    }
    return batch;
  }

  private static ByteBuffer bytes(float[] values, int count) {
    ByteBuffer bytes = allocate(count);
    bytes.asFloatBuffer().put(values, 0, count);
    return bytes;
  }

  private static ByteBuffer allocate(int count) {
    return ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
  }
}
