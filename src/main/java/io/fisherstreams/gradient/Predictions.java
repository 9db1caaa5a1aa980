package io.fisherstreams.gradient;

import io.fisherstreams.gradient.example.Example;
import java.util.List;
import java.util.Locale;

/**
 * A model's predictions for a batch, in float64.
 *
 * @param examples the batch
 * @param labels each example's class, in range
 * @param logProbabilities log p(c|x) by example and class
 */
@SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
record Predictions(List<Example> examples, int[] labels, double[][] logProbabilities) {

  /**
   * Normalises logits.
   *
   * @param logits row-major, (examples, classes)
   * @throws io.fisherstreams.InvalidInput for a label out of range, or logits that are not finite
   */
  static Predictions of(List<Example> examples, float[] logits) {
    int classes = logits.length / examples.size();
    int[] labels = new int[examples.size()];
    double[][] logProbabilities = new double[examples.size()][];
    for (int i = 0; i < labels.length; i++) {
      Example example = examples.get(i);
      labels[i] = example.labelAmong(classes);
      logProbabilities[i] = logSoftmax(example, logits, i * classes, classes);
    }
    return new Predictions(examples, labels, logProbabilities);
  }

  private static double[] logSoftmax(Example example, float[] logits, int offset, int classes) {
    double max = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < classes; c++) {
      float logit = logits[offset + c];
      if (!Float.isFinite(logit)) {
        throw example.invalid(
            String.format(
                Locale.ROOT,
                "the model's logit of class %d is %s; are the checkpoint's weights sound?",
                c,
                logit));
      }
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (int c = 0; c < classes; c++) {
      sum += Math.exp(logits[offset + c] - max);
    }
    double[] logProbabilities = new double[classes];
    for (int c = 0; c < classes; c++) {
      logProbabilities[c] = logits[offset + c] - max - Math.log(sum);
    }
    return logProbabilities;
  }

  int size() {
    return labels.length;
  }

  int classes() {
    return logProbabilities[0].length;
  }

  /** p(·|x) of one example. */
  double[] probabilities(int example) {
    double[] p = logProbabilities[example].clone();
    for (int c = 0; c < p.length; c++) {
      p[c] = Math.exp(p[c]);
    }
    return p;
  }

  /** The most probable class; the first of several equal ones. */
  int mostLikely(int example) {
    double[] row = logProbabilities[example];
    int best = 0;
    for (int c = 1; c < row.length; c++) {
      best = row[c] > row[best] ? c : best;
    }
    return best;
  }
}
