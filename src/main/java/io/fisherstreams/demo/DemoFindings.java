package io.fisherstreams.demo;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Which method reads each test set better, measured with all models in the pool.
 *
 * @param fisherAhead test sets that the Fisher merge reads better than the plain average
 * @param averageAhead test sets that the plain average reads better
 * @param fisherMean the Fisher merge's mean accuracy over the tasks, from 0 to 1
 * @param averageMean the plain average's mean accuracy over the tasks, from 0 to 1
 */
record DemoFindings(
    List<String> fisherAhead, List<String> averageAhead, double fisherMean, double averageMean) {
  private static final String ORIGINALS = "the original digits";

  static DemoFindings of(DemoResult result) {
    Scores fisher = result.full().fisher();
    Scores average = result.full().average();
    List<String> fisherAhead = new ArrayList<>();
    List<String> averageAhead = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      add(task.model(), fisher.of(task) - average.of(task), fisherAhead, averageAhead);
    }
    add(ORIGINALS, fisher.originals() - average.originals(), fisherAhead, averageAhead);
    return new DemoFindings(fisherAhead, averageAhead, fisher.mean(), average.mean());
  }

  private static void add(
      String name, double lead, List<String> fisherAhead, List<String> averageAhead) {
    if (lead > 0) {
      fisherAhead.add(name);
    } else if (lead < 0) {
      averageAhead.add(name);
    }
  }

  /** The findings in words. */
  String sentence() {
    return String.format(
        Locale.ROOT,
        "With all %d models in the pool the Fisher merge reads %.1f %% of the tasks' digits, the"
            + " plain average %.1f %%. The Fisher merge is ahead on %s; the plain average on %s.",
        DigitTask.values().length,
        100 * fisherMean,
        100 * averageMean,
        listed(fisherAhead),
        listed(averageAhead));
  }

  private static String listed(List<String> names) {
    if (names.isEmpty()) {
      return "none";
    }
    List<String> all = new ArrayList<>(names);
    String last = all.remove(all.size() - 1);
    return all.isEmpty() ? last : String.join(", ", all) + " and " + last;
  }
}
