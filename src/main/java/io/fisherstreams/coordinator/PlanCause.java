package io.fisherstreams.coordinator;

import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Describes for people what changed in the pool from one plan to the next. */
final class PlanCause {
  // A plan is a record of limited size, and people read no more.
  private static final int MAX_CHANGES = 20;

  private PlanCause() {}

  static String of(MergePlan previous, Proposal next) {
    Map<String, PlannedModel> before = byName(previous == null ? List.of() : previous.getModels());
    Map<String, PlannedModel> after = byName(next.models());
    List<String> changes = new ArrayList<>();
    for (PlannedModel model : next.models()) {
      PlannedModel old = before.get(model.getModel());
      if (old == null) {
        changes.add(model.getModel() + " arrived");
      } else if (old.getVersion() != model.getVersion()) {
        changes.add(model.getModel() + " replaced");
      } else if (old.getEpoch() != model.getEpoch()) {
        changes.add(model.getModel() + " refined");
      }
    }
    Set<String> leftOut =
        next.leftOut().stream().map(LeftOutModel::getModel).collect(Collectors.toSet());
    for (String name : before.keySet()) {
      if (!after.containsKey(name)) {
        changes.add(name + (leftOut.contains(name) ? " left out" : " withdrawn"));
      }
    }
    if (changes.size() > MAX_CHANGES) {
      int more = changes.size() - MAX_CHANGES;
      return String.join(", ", changes.subList(0, MAX_CHANGES)) + " and " + more + " more";
    }
    if (previous != null && !previous.getMethod().equals(next.base().manifest().getMethod())) {
      changes.add("method changed to " + next.base().formula().name());
    }
    return changes.isEmpty() ? "weights changed" : String.join(", ", changes);
  }

  private static Map<String, PlannedModel> byName(List<PlannedModel> models) {
    return models.stream().collect(Collectors.toMap(PlannedModel::getModel, Function.identity()));
  }
}
