package io.fisherstreams.gate;

import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.TaskAccuracy;
import java.util.List;
import java.util.Locale;

/** Verdicts from accuracies; every task has the same weight, however many examples it has. */
final class Verdicts {
  /** The release that another one is compared with, and its accuracy. */
  record Reference(long release, double accuracy) {}

  private Verdicts() {}

  /** Mean of the tasks' accuracies. */
  static double mean(List<TaskAccuracy> tasks) {
    return tasks.stream().mapToDouble(TaskAccuracy::getAccuracy).average().orElseThrow();
  }

  /** A release passes when there is none to compare it with. */
  static GateVerdict first(List<TaskAccuracy> tasks, double largestDrop) {
    double accuracy = mean(tasks);
    return new GateVerdict(
        true,
        text("accuracy %.4f, nothing to compare with", accuracy),
        accuracy,
        0L,
        null,
        largestDrop,
        tasks,
        false,
        List.of(),
        List.of());
  }

  /** A release passes when its accuracy is at most {@code largestDrop} below the reference's. */
  static GateVerdict compared(List<TaskAccuracy> tasks, Reference reference, double largestDrop) {
    double accuracy = mean(tasks);
    boolean passed = reference.accuracy() - accuracy <= largestDrop;
    String found =
        text(
            "accuracy %.4f after %.4f of release %d",
            accuracy, reference.accuracy(), reference.release());
    return new GateVerdict(
        passed,
        passed ? found : found + text(": it fell by more than %.4f", largestDrop),
        accuracy,
        reference.release(),
        reference.accuracy(),
        largestDrop,
        tasks,
        false,
        List.of(),
        List.of());
  }

  /** A release that cannot be evaluated where the reference can is rejected. */
  static GateVerdict unusable(String why, Reference reference, double largestDrop) {
    return new GateVerdict(
        false,
        "it cannot be evaluated: " + why,
        0.0,
        reference.release(),
        reference.accuracy(),
        largestDrop,
        List.of(),
        false,
        List.of(),
        List.of());
  }

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
