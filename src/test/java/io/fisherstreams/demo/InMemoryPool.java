package io.fisherstreams.demo;

import io.fisherstreams.tensor.TensorInfo;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;

/** The Fisher-weighted merge in plain float64 loops, without Kafka. */
final class InMemoryPool implements MergedModels {
  private final Method method;
  private final Function<FineTunedModel, DigitParameters> fisher;
  private final SortedMap<String, FineTunedModel> models = new TreeMap<>();
  private final Map<String, DigitParameters> fishers = new HashMap<>();
  private long releases;

  /** A pool that computes its Fishers in float64. */
  InMemoryPool(Method method) {
    this(method, model -> DoubleFisher.rounded(model.parameters(), model.examples()));
  }

  /** A pool of given Fishers. */
  InMemoryPool(Method method, Function<FineTunedModel, DigitParameters> fisher) {
    this.method = method;
    this.fisher = fisher;
  }

  @Override
  public MergedRelease arrive(FineTunedModel model) {
    models.put(model.name(), model);
    fishers.put(model.name(), fisher.apply(model));
    return release();
  }

  @Override
  public Map<String, DigitParameters> fishers() {
    return fishers;
  }

  @Override
  public MergedRelease withdraw(String model) {
    models.remove(model);
    return release();
  }

  private MergedRelease release() {
    List<TensorInfo> tensors = List.copyOf(models.get(models.firstKey()).parameters().tensors());
    Map<String, Double> weights = new HashMap<>();
    for (FineTunedModel model : models.values()) {
      double squares = 0;
      for (TensorInfo tensor : tensors) {
        for (float f : fishers.get(model.name()).values(tensor.name())) {
          squares += (double) f * f;
        }
      }
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
                  * (fishers.get(model.name()).values(tensor.name())[j] + method.epsilon());
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
    return new MergedRelease(++releases, new DigitParameters(tensors, merged), shares);
  }

  @Override
  public void close() {}
}
