package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * One partition's Fisher sums by parameter, exact and small. Each sum is stored as float64 terms
 * that add up to it. As it is a sum of float64 numbers, two or three terms are enough. A pool of a
 * thousand models has millions of such sums.
 */
final class ReportedSums {
  private static final int SHOWN = 40;

  private final String[] parameters;
  // of parameter i: total in terms[ends[2i - 1]] to ends[2i], squares from there to ends[2i + 1]
  private final double[] terms;
  private final int[] ends;

  private ReportedSums(String[] parameters, double[] terms, int[] ends) {
    this.parameters = parameters;
    this.terms = terms;
    this.ends = ends;
  }

  /**
   * The sums that a partition reported; rejects text that is no number with {@link RejectedRecord}.
   *
   * @param names gives each parameter's name as one shared object
   */
  static ReportedSums of(List<FisherSums> reported, Map<String, String> names) {
    String[] parameters = new String[reported.size()];
    int[] ends = new int[2 * reported.size()];
    List<Double> terms = new ArrayList<>();
    for (int i = 0; i < parameters.length; i++) {
      FisherSums sums = reported.get(i);
      parameters[i] = names.getOrDefault(sums.getParameter(), sums.getParameter());
      try {
        split(sums.getTotal(), terms);
        ends[2 * i] = terms.size();
        split(sums.getSquares(), terms);
        ends[2 * i + 1] = terms.size();
      } catch (NumberFormatException e) {
        throw new RejectedRecord(
            RejectionKind.REPORT,
            "the Fisher sums of "
                + sums.getParameter()
                + " are no decimal numbers: "
                + shortened(sums.getTotal())
                + ", "
                + shortened(sums.getSquares()));
      }
    }
    return new ReportedSums(
        parameters, terms.stream().mapToDouble(Double::doubleValue).toArray(), ends);
  }

  private static String shortened(String text) {
    return text.length() > SHOWN ? text.substring(0, SHOWN) + "…" : text;
  }

  private static void split(String text, List<Double> terms) {
    // The time to read a number grows with the square of its length.
    if (text.length() > Limits.MAX_DECIMAL_LENGTH) {
      throw new NumberFormatException("too long");
    }
    BigDecimal rest = new BigDecimal(text);
    if (rest.signum() < 0) {
      throw new NumberFormatException("below 0"); // squares without a root would stop every plan
    }
    double term = rest.doubleValue();
    while (term != 0) {
      if (Double.isInfinite(term)) {
        throw new NumberFormatException("beyond float64");
      }
      terms.add(term);
      rest = rest.subtract(new BigDecimal(term));
      term = rest.doubleValue();
    }
  }

  /** Adds the sums of the merged parameters to {@code {total, squares}}. */
  void addTo(BigDecimal[] sums, MergeSet mergeSet) {
    int begin = 0;
    for (int i = 0; i < parameters.length; i++) {
      boolean isMerged = mergeSet.merges(parameters[i]);
      for (int which = 0; which < 2; which++) {
        int end = ends[2 * i + which];
        if (isMerged) {
          for (double term : Arrays.copyOfRange(terms, begin, end)) {
            sums[which] = sums[which].add(new BigDecimal(term));
          }
        }
        begin = end;
      }
    }
  }
}
