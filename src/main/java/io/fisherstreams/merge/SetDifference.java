package io.fisherstreams.merge;

import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.record.ModelVersion;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What changes from the models of one set of kept sums to those of another.
 *
 * @param gone models to take out
 * @param added models to add
 */
record SetDifference(List<KeptModel> gone, Map<ModelVersion, Participant> added) {
  static final SetDifference NONE = new SetDifference(List.of(), Map.of());

  /**
   * What changes from some models to those of a plan.
   *
   * @param wanted the plan's models as a set has them, with the plan's own record of each
   */
  static SetDifference of(List<KeptModel> before, Map<KeptModel, Participant> wanted) {
    Set<KeptModel> gone = new HashSet<>(before);
    Map<ModelVersion, Participant> added = new LinkedHashMap<>();
    wanted.forEach(
        (model, participant) -> {
          if (!gone.remove(model)) {
            added.put(participant.version(), participant);
          }
        });
    return new SetDifference(List.copyOf(gone), added);
  }

  /** The version of a model of a set. */
  static ModelVersion version(KeptModel model) {
    return new ModelVersion(model.getModel(), model.getVersion());
  }

  /** What one or the other has. */
  SetDifference and(SetDifference other) {
    Set<KeptModel> allGone = new HashSet<>(gone);
    allGone.addAll(other.gone);
    Map<ModelVersion, Participant> allAdded = new HashMap<>(added);
    allAdded.putAll(other.added);
    return new SetDifference(List.copyOf(allGone), allAdded);
  }

  /** The part of it that is about some model versions. */
  SetDifference only(Set<ModelVersion> versions) {
    Map<ModelVersion, Participant> ofThem = new HashMap<>(added);
    ofThem.keySet().retainAll(versions);
    return new SetDifference(
        gone.stream().filter(model -> versions.contains(version(model))).toList(), ofThem);
  }

  /** Whether nothing changes. */
  boolean isNone() {
    return size() == 0;
  }

  /** How many models are taken out or added. */
  int size() {
    return gone.size() + added.size();
  }
}
