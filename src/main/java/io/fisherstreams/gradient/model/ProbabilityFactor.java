package io.fisherstreams.gradient.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Directions of logits that together are the expectation over all classes: Σ_c p_c (e_c − p)(e_c −
 * p)ᵀ = diag(p) − p·pᵀ.
 *
 * <p>The matrix has rank C − 1, so C − 1 directions give the same sum as C classes: the columns of
 * its Cholesky factor, here in closed form with the classes ordered by falling probability and r_k
 * = Σ_{j≥k} p_j: L_kk = √(p_k r_{k+1} / r_k), L_jk = −p_j √(p_k / (r_k r_{k+1})) for j > k. Two
 * classes cost one backward pass.
 *
 * <p>Directions that together make up less than 2⁻²⁴ of Σ|L_·k|² are left out: that is the rounding
 * unit of the float32 sums. A confident model over hundreds of classes then needs only a few
 * directions.
 */
public final class ProbabilityFactor {
  private static final double NEGLIGIBLE = 0x1p-24;

  private ProbabilityFactor() {}

  /** The directions that count, as float32. */
  public static List<float[]> of(double[] p) {
    List<double[]> columns = columns(p);
    double[] size = columns.stream().mapToDouble(ProbabilityFactor::squaredLength).toArray();
    double negligible = NEGLIGIBLE * Arrays.stream(size).sum();
    double dropped = 0;
    int kept = columns.size();
    while (kept > 0 && dropped + size[kept - 1] < negligible) {
      dropped += size[--kept];
    }
    return columns.subList(0, kept).stream().map(ProbabilityFactor::narrow).toList();
  }

  /** All columns of L with L·Lᵀ = diag(p) − p·pᵀ. */
  public static List<double[]> columns(double[] p) {
    int classes = p.length;
    Integer[] order = new Integer[classes];
    Arrays.setAll(order, c -> c);
    Arrays.sort(order, (a, b) -> Double.compare(p[b], p[a]));
    double[] rest = new double[classes + 1];
    for (int k = classes - 1; k >= 0; k--) {
      rest[k] = rest[k + 1] + p[order[k]];
    }
    List<double[]> columns = new ArrayList<>();
    for (int k = 0; k < classes - 1 && rest[k + 1] > 0; k++) {
      double[] column = new double[classes];
      double diagonal = Math.sqrt(p[order[k]] * (rest[k + 1] / rest[k]));
      column[order[k]] = diagonal;
      for (int j = k + 1; j < classes; j++) {
        column[order[j]] = -p[order[j]] / rest[k + 1] * diagonal;
      }
      columns.add(column);
    }
    return columns;
  }

  private static double squaredLength(double[] vector) {
    double sum = 0;
    for (double v : vector) {
      sum += v * v;
    }
    return sum;
  }

  private static float[] narrow(double[] values) {
    float[] narrow = new float[values.length];
    for (int i = 0; i < narrow.length; i++) {
      narrow[i] = (float) values[i];
    }
    return narrow;
  }
}
