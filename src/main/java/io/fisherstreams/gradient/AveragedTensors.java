package io.fisherstreams.gradient;

import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.fisher.PlainAverage;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The plain average of models, computed as it is read: the mean in float64, rounded once to the
 * type of the base's tensor, as a release is.
 */
public final class AveragedTensors implements TensorSource {
  private final List<TensorInfo> tensors;
  private final List<TensorSource> models;
  private final List<Map<String, TensorInfo>> stored = new ArrayList<>();

  /**
   * Averages some tensors.
   *
   * @param tensors the average's tensors and their types
   * @param models at least one; each has these tensors in these shapes, in any floating type
   */
  public AveragedTensors(List<TensorInfo> tensors, List<TensorSource> models) {
    this.tensors = List.copyOf(tensors);
    this.models = List.copyOf(models);
    for (TensorSource model : models) {
      stored.add(
          model.tensors().stream()
              .collect(Collectors.toMap(TensorInfo::name, Function.identity())));
    }
  }

  @Override
  public String origin() {
    return "the average of " + models.stream().map(TensorSource::origin).toList();
  }

  @Override
  public List<TensorInfo> tensors() {
    return tensors;
  }

  @Override
  public ByteBuffer slice(String name, long firstElement, int elements) {
    TensorInfo tensor =
        tensors.stream()
            .filter(candidate -> candidate.name().equals(name))
            .findFirst()
            .orElseThrow();
    double[] theta = new double[elements];
    PlainAverage average = new PlainAverage(elements);
    average.begin(elements);
    for (int i = 0; i < models.size(); i++) {
      ByteBuffer bytes = models.get(i).slice(name, firstElement, elements);
      FloatCodec.toDouble(
          stored.get(i).get(name).dtype(), bytes, bytes.position(), theta, 0, elements);
      average.add(theta);
    }
    average.finish(theta);
    ByteBuffer mean =
        ByteBuffer.allocate(elements * tensor.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
    FloatCodec.fromDouble(tensor.dtype(), theta, 0, elements, mean, 0);
    return mean;
  }
}
