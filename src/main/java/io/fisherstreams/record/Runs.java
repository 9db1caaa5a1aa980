package io.fisherstreams.record;

import java.util.ArrayList;
import java.util.List;

/**
 * A set of whole numbers as the first and last number of each unbroken run, ascending. Numbers that
 * count up need constant space.
 */
public final class Runs {
  private Runs() {}

  /** Whether the number is in one of the runs. */
  public static boolean contains(List<Long> runs, long number) {
    for (int i = 0; i < runs.size(); i += 2) {
      if (runs.get(i) <= number && number <= runs.get(i + 1)) {
        return true;
      }
    }
    return false;
  }

  /** The runs with a number that they do not contain yet. */
  public static List<Long> with(List<Long> runs, long number) {
    List<Long> result = new ArrayList<>(runs.size() + 2);
    int i = 0;
    while (i < runs.size() && runs.get(i + 1) < number - 1) {
      result.add(runs.get(i++));
      result.add(runs.get(i++));
    }
    long first = number;
    long last = number;
    while (i < runs.size() && runs.get(i) <= number + 1) {
      first = Math.min(first, runs.get(i++));
      last = Math.max(last, runs.get(i++));
    }
    result.add(first);
    result.add(last);
    result.addAll(runs.subList(i, runs.size()));
    return result;
  }
}
