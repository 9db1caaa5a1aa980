package io.fisherstreams.demo;

import io.fisherstreams.fisher.FisherProducts;
import io.fisherstreams.fisher.ParameterGroups;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How much the Fishers of models overlap in one tensor: the cosine of each pair, from 0 (no entry
 * matters to both) to 1 (the Fishers are proportional).
 *
 * @param models the models' names
 * @param cosines row by row, in the models' order
 */
record FisherOverlap(List<String> models, List<List<Double>> cosines) {
  /** The overlap of these models in one tensor; 0 for a Fisher that is 0 everywhere. */
  static FisherOverlap of(List<PooledModel> models, String tensor) {
    if (models.isEmpty()) {
      return new FisherOverlap(List.of(), List.of());
    }
    float[][] fishers =
        models.stream().map(model -> model.fisher().values(tensor)).toArray(float[][]::new);
    double[] divisors = new double[fishers.length];
    Arrays.fill(divisors, 1);
    FisherProducts products = new FisherProducts(fishers.length);
    products.add(tensor, ParameterGroups.NO_GROUP, fishers, divisors, fishers[0].length);
    FisherProducts.Sums sums = products.whole();
    return new FisherOverlap(
        models.stream().map(PooledModel::name).toList(),
        IntStream.range(0, fishers.length)
            .mapToObj(
                row ->
                    IntStream.range(0, fishers.length)
                        .mapToObj(column -> sums.cosine(row, column).orElse(0))
                        .toList())
            .toList());
  }
}
