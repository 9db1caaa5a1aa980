package io.fisherstreams.gate;

import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The models that may have made a release fall: those that changed since the alias's release. The
 * one to blame is found by leaving out each alone, in the order of their names, then all together;
 * the gate judges the release of each attempt. The plans say which attempt is next, so a gate that
 * is killed goes on with the same one.
 */
final class Suspects {
  /** By model: the version. */
  private final NavigableMap<String, Long> changed;

  /** Left out by a gate for the release that fell. */
  private final List<LeftOutModel> leftOut;

  /** Of these, the ones that the alias's release did without too. */
  private final List<LeftOutModel> settled;

  private Suspects(
      NavigableMap<String, Long> changed, List<LeftOutModel> leftOut, List<LeftOutModel> settled) {
    this.changed = changed;
    this.leftOut = leftOut;
    this.settled = settled;
  }

  /** What changed from one plan to another; nobody is suspected when the base or method did. */
  static Suspects of(MergePlan before, MergePlan fallen) {
    List<LeftOutModel> leftOut = byGate(fallen);
    List<ModelVersion> earlier = byGate(before).stream().map(Suspects::version).toList();
    List<LeftOutModel> settled =
        leftOut.stream().filter(model -> earlier.contains(version(model))).toList();
    NavigableMap<String, Long> changed = new TreeMap<>();
    if (isSameMerge(before, fallen)) {
      Map<String, PlannedModel> known = new HashMap<>();
      before.getModels().forEach(model -> known.put(model.getModel(), model));
      for (PlannedModel model : fallen.getModels()) {
        if (!isSame(known.get(model.getModel()), before, model, fallen)) {
          changed.put(model.getModel(), model.getVersion());
        }
      }
      leftOut.stream()
          .filter(model -> !settled.contains(model))
          .forEach(model -> changed.put(model.getModel(), model.getVersion()));
    }
    return new Suspects(changed, leftOut, settled);
  }

  private static List<LeftOutModel> byGate(MergePlan plan) {
    return plan.getLeftOut().stream().filter(LeftOutModel::getByGate).toList();
  }

  private static ModelVersion version(LeftOutModel model) {
    return new ModelVersion(model.getModel(), model.getVersion());
  }

  private static boolean isSameMerge(MergePlan before, MergePlan fallen) {
    return before.getBaseModel().equals(fallen.getBaseModel())
        && before.getBaseVersion() == fallen.getBaseVersion()
        && before.getMethod().equals(fallen.getMethod());
  }

  private static boolean isSame(
      PlannedModel known, MergePlan before, PlannedModel model, MergePlan fallen) {
    return known != null
        && known.getVersion() == model.getVersion()
        && known.getEpoch() == model.getEpoch()
        && (PlannedModels.coefficients(known).equals(PlannedModels.coefficients(model))
            || (isDefault(known, before) && isDefault(model, fallen)));
  }

  /** The default coefficient changes with the number of models; nobody has re-weighted it. */
  private static boolean isDefault(PlannedModel model, MergePlan plan) {
    return model.getGroupCoefficients().isEmpty()
        && model.getCoefficient() == 1.0 / plan.getModels().size();
  }

  /** The changed models as {@code model@version}, by name. */
  List<String> names() {
    return changed.entrySet().stream()
        .limit(Limits.MAX_LEFT_OUT)
        .map(model -> model.getKey() + "@" + model.getValue())
        .toList();
  }

  /**
   * All models to leave out in the next attempt; empty when there is none, or too many changed.
   *
   * @param release that fell
   * @param why it fell
   */
  List<LeftOutModel> next(long release, String why) {
    List<String> attempt = nextAttempt();
    if (attempt.isEmpty() || settled.size() + attempt.size() > Limits.MAX_LEFT_OUT) {
      return List.of();
    }
    List<LeftOutModel> next = new ArrayList<>(settled);
    String reason = "release " + release + " did not pass the gate: " + why;
    attempt.forEach(
        name ->
            next.add(
                new LeftOutModel(
                    name,
                    changed.get(name),
                    reason.substring(
                        0, Math.min(reason.length(), Limits.MAX_LEFT_OUT_REASON_LENGTH)),
                    true)));
    return next;
  }

  private List<String> nextAttempt() {
    List<String> names = List.copyOf(changed.navigableKeySet());
    List<String> tried =
        leftOut.stream().map(LeftOutModel::getModel).filter(changed::containsKey).toList();
    if (tried.isEmpty()) {
      return names.subList(0, Math.min(1, names.size()));
    }
    if (tried.size() == names.size()) {
      return List.of(); // without all of them it fell too
    }
    int last = names.indexOf(tried.get(0));
    return tried.size() == 1 && last + 1 < names.size() ? names.subList(last + 1, last + 2) : names;
  }

  /**
   * Words to append to a verdict's reason; empty when nobody is suspected.
   *
   * @param next what {@link #next} returned
   */
  String text(List<LeftOutModel> next) {
    if (changed.isEmpty()) {
      return "";
    }
    String names = names().stream().limit(10).collect(Collectors.joining(", "));
    String more = changed.size() > 10 ? ", ..." : "";
    String attempt =
        next.stream()
            .filter(model -> !settled.contains(model))
            .limit(10)
            .map(model -> version(model).toString())
            .collect(Collectors.joining(", "));
    return (changed.size() == 1 ? "; suspect: " : "; changed since the alias's release: ")
        + names
        + more
        + (attempt.isEmpty() ? "" : "; the next release is made without " + attempt);
  }
}
