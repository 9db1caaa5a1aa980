package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Sums of squared gradients of one model version.
 *
 * @param batches its gradient batches, whose data are read once
 */
public record EstimatedSums(ModelManifest manifest, List<GradientBatch> batches) {
  /** By shard: the examples that its batches count. */
  public Map<String, Long> counts() {
    Map<String, Long> counts = new TreeMap<>();
    ManifestTensors.merged(manifest)
        .forEach(
            tensor ->
                IntStream.range(0, Shard.count(tensor))
                    .forEach(index -> counts.put(Shard.id(tensor.name(), index), 0L)));
    for (GradientBatch batch : batches) {
      counts.merge(
          Shard.id(batch.getParameter(), batch.getShard()), batch.getExamples(), Long::sum);
    }
    return counts;
  }

  /** The mean of all batches: the Fisher, by parameter. */
  public Map<String, double[]> fisher() {
    Map<String, double[]> fisher = new HashMap<>();
    ManifestTensors.merged(manifest)
        .forEach(tensor -> fisher.put(tensor.name(), new double[(int) tensor.elements()]));
    Map<String, Long> counts = counts();
    Set<String> identities = new HashSet<>();
    for (GradientBatch batch : batches) {
      assertThat(
              identities.add(
                  batch.getParameter()
                      + batch.getShard()
                      + batch.getSource()
                      + "#"
                      + batch.getSequence()))
          .isTrue();
      double[] values = fisher.get(batch.getParameter());
      int from = batch.getShard() * Shard.ELEMENTS;
      long examples = counts.get(Shard.id(batch.getParameter(), batch.getShard()));
      var data = batch.getData().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      if (batch.getEncoding() == Encoding.SPARSE_SQUARED_SUM) {
        IntBuffer indices = batch.getIndices().order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
        while (indices.hasRemaining()) {
          values[from + indices.get()] += (double) data.get() / examples;
        }
      } else {
        for (int i = from; data.hasRemaining(); i++) {
          values[i] += (double) data.get() / examples;
        }
      }
    }
    return fisher;
  }

  /**
   * How far the mean of all batches is from a conformance case's Fisher: by parameter, the largest
   * difference relative to the largest expected entry.
   */
  public Map<String, Double> errors(String conformance, String estimator) {
    Map<String, double[]> found = fisher();
    Map<String, Double> errors = new TreeMap<>();
    Conformance.tensors(Conformance.file(conformance, "expected-" + estimator + ".safetensors"))
        .forEach(
            (name, values) -> {
              if (!name.endsWith("k_proj.bias")) { // softmax does not see it
                errors.put(name, Conformance.relativeError(found.get(name), values));
              }
            });
    return errors;
  }

  /** How many claims the batches come from. */
  public long claims() {
    return batches.stream()
        .map(batch -> batch.getSource() + "#" + batch.getSequence())
        .distinct()
        .count();
  }
}
