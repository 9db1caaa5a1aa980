package io.fisherstreams.demo;

import java.util.List;

/**
 * How far the Fishers of models lie on the same entries of one tensor: the cosine of each pair,
 * from 0, when no entry matters to both, to 1, when they are proportional.
 *
 * @param models the models' names
 * @param cosines row by row, in the models' order
 */
record FisherOverlap(List<String> models, List<List<Double>> cosines) {
  /** The overlap of these models in the tensor of this name. */
  static FisherOverlap of(List<FineTunedModel> models, String tensor) {
    List<float[]> fishers = models.stream().map(model -> model.fisher().values(tensor)).toList();
    return new FisherOverlap(
        models.stream().map(FineTunedModel::name).toList(),
        fishers.stream()
            .map(row -> fishers.stream().map(column -> cosine(row, column)).toList())
            .toList());
  }

  private static double cosine(float[] left, float[] right) {
    double product = 0;
    double leftSquares = 0;
    double rightSquares = 0;
    for (int j = 0; j < left.length; j++) {
      product += (double) left[j] * right[j];
      leftSquares += (double) left[j] * left[j];
      rightSquares += (double) right[j] * right[j];
    }
    double norms = Math.sqrt(leftSquares) * Math.sqrt(rightSquares);
    return norms == 0 ? 0 : product / norms;
  }
}
