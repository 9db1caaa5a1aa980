package io.fisherstreams.demo;

import io.fisherstreams.tensor.TensorInfo;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** The merge of shared/fisher-merging.md in plain float64 loops, without Kafka. */
final class InMemoryPool implements MergedModels {
  private final Method method;
  private final SortedMap<String, FineTunedModel> models = new TreeMap<>();
  private long releases;

  InMemoryPool(Method method) {
    this.method = method;
  }

  @Override
  public MergedRelease arrive(FineTunedModel model) {
    models.put(model.name(), model);
    return release();
  }

  @Override
  public MergedRelease withdraw(String model) {
    models.remove(model);
    return release();
  }

  private MergedRelease release() {
    List<TensorInfo> tensors = List.copyOf(models.get(models.firstKey()).parameters().tensors());
    Map<String, Map<String, double[]>> fishers = new HashMap<>();
    Map<String, Double> weights = new HashMap<>();
    for (FineTunedModel model : models.values()) {
      Map<String, double[]> fisher = new HashMap<>();
      double squares = 0;
      for (TensorInfo tensor : tensors) {
        double[] f = new double[(int) tensor.elements()];
        for (int j = 0; j < f.length; j++) {
          for (SquaredGradients batch : model.gradients()) {
            f[j] += batch.sums().values(tensor.name())[j];
          }
          f[j] /= model.examples();
          squares += f[j] * f[j];
        }
        fisher.put(tensor.name(), f);
      }
      fishers.put(model.name(), fisher);
      double c = 1.0 / models.size();
      weights.put(
          model.name(), method.normalized() ? c / (Math.sqrt(squares) + method.epsilon()) : c);
    }
    Map<String, float[]> merged = new HashMap<>();
    SortedMap<String, Double> shares = new TreeMap<>();
    double total = 0;
    for (TensorInfo tensor : tensors) {
      float[] target = new float[(int) tensor.elements()];
      for (int j = 0; j < target.length; j++) {
        double upper = 0;
        double lower = 0;
        for (FineTunedModel model : models.values()) {
          double w =
              weights.get(model.name())
                  * (fishers.get(model.name()).get(tensor.name())[j] + method.epsilon());
          upper += w * model.parameters().values(tensor.name())[j];
          lower += w;
          shares.merge(model.name(), w, Double::sum);
        }
        target[j] = (float) (upper / lower);
        total += lower;
      }
      merged.put(tensor.name(), target);
    }
    double all = total;
    shares.replaceAll((model, share) -> share / all);
    return new MergedRelease(++releases, new Parameters(tensors, merged), shares);
  }

  @Override
  public void close() {}
}
