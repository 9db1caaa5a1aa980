package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.RunningInstances;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.Stage;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import org.apache.kafka.clients.admin.Admin;

/**
 * The state of a pool for people: its models, each with a word or a reason, and the stages' lag.
 */
public final class PoolStatus {
  private static final String READY = "ready";
  private static final String BASE_READY = "base, ready";

  private final int partitions;
  private final PoolView view;
  private final Map<String, Long> lags;
  private final Map<String, String> instances;
  private final List<Release> releases;
  private final SortedMap<String, String> rejections;
  private final Map<ModelVersion, String> leftOut;

  PoolStatus(
      int partitions,
      PoolView view,
      Map<String, Long> lags,
      Map<String, String> instances,
      List<Release> releases) {
    this.partitions = partitions;
    this.view = view;
    this.lags = lags;
    this.instances = instances;
    this.releases = releases;
    this.rejections = view.rejections();
    this.leftOut = leftOut();
  }

  /** What the coordinator leaves out, as far as the newest plan and verdict tell its limits. */
  private Map<ModelVersion, String> leftOut() {
    if (releases.isEmpty()) {
      return Map.of();
    }
    Release newest = releases.get(releases.size() - 1);
    GateVerdict verdict = newest.getVerdict();
    List<LeftOutModel> byGate =
        verdict != null && !verdict.getLeaveOut().isEmpty()
            ? verdict.getLeaveOut()
            : newest.getPlan().getLeftOut().stream().filter(LeftOutModel::getByGate).toList();
    Map<ModelVersion, String> reasons = new HashMap<>();
    ShareLimits limits = ShareLimits.of(newest.getPlan());
    // Without limits only the gate leaves models out; to weigh all of them would take long.
    (limits.equals(ShareLimits.NONE)
            ? byGate
            : view.propose(limits, byGate).map(Proposal::leftOut).orElse(byGate))
        .forEach(
            model ->
                reasons.put(
                    new ModelVersion(model.getModel(), model.getVersion()), model.getReason()));
    return reasons;
  }

  /** Reads models, progress and the stages' lag. */
  public static PoolStatus read(KafkaSettings kafka, PoolTopics topics) {
    try (Admin admin = kafka.admin()) {
      int partitions = new PoolAdmin(admin, topics).check();
      PoolViewReader.Reading reading = PoolViewReader.read(kafka, topics, partitions);
      return new PoolStatus(
          partitions,
          reading.view(),
          lags(admin, topics, partitions),
          instances(admin, topics, Map.of()),
          List.copyOf(reading.releases().values()));
    }
  }

  /** Records that each of the stages of every pool has not processed yet, in their order. */
  public static Map<String, Long> lags(Admin admin, PoolTopics topics, int partitions) {
    Map<String, Long> lags = new LinkedHashMap<>();
    lags.put(Stage.GRADIENT.text(), StageLag.ofGradients(admin, topics, partitions));
    for (Stage stage : List.of(Stage.MERGE, Stage.COORDINATOR)) {
      lags.put(stage.text(), StageLag.of(admin, stage.group(topics.pool())));
    }
    return lags;
  }

  /**
   * Which instances of each stage are running, in words.
   *
   * @param further consumer groups of other stages, by stage
   */
  public static Map<String, String> instances(
      Admin admin, PoolTopics topics, Map<String, String> further) {
    Map<String, String> groups = new LinkedHashMap<>(further);
    for (Stage stage : List.of(Stage.GRADIENT, Stage.MERGE, Stage.COORDINATOR)) {
      groups.put(stage.text(), stage.group(topics.pool()));
    }
    Map<String, String> found = RunningInstances.of(admin, Set.copyOf(groups.values()));
    Map<String, String> instances = new HashMap<>();
    groups.forEach((stage, group) -> instances.put(stage, found.get(group)));
    return instances;
  }

  /** Partitions of the sharded topics. */
  public int partitions() {
    return partitions;
  }

  /** The pool as its topics describe it. */
  public PoolView view() {
    return view;
  }

  /** Records that each stage has not processed yet. */
  public Map<String, Long> lags() {
    return lags;
  }

  /** Which instances of a stage are running, in words; empty for a stage that shows none. */
  public String instances(String stage) {
    return instances.getOrDefault(stage, "");
  }

  /** All releases, by id ascending. */
  public List<Release> releases() {
    return releases;
  }

  /** Whether a version waits for records, for its Fisher or for another base. */
  public boolean isWaiting() {
    return view.models().entrySet().stream()
        .flatMap(model -> model.getValue().values().stream().map(v -> state(model.getKey(), v)))
        .anyMatch(state -> !state.equals(READY) && !state.equals(BASE_READY));
  }

  /** How far a version is, for programs. */
  public ModelState stateOf(String name, PoolModel model) {
    boolean isBase = model.manifest().getRole() == Role.BASE;
    if (!isBase && rejections.containsKey(name)) {
      return ModelState.REJECTED;
    }
    if (!model.isPresent()) {
      return ModelState.INCOMPLETE;
    }
    if (isBase) {
      return ModelState.READY;
    }
    if (model.epoch().isEmpty() && view.readsFishers()) {
      return ModelState.AWAITS_FISHER;
    }
    if (leftOut.containsKey(new ModelVersion(name, model.manifest().getVersion()))) {
      return ModelState.LEFT_OUT;
    }
    return view.hasReadyBase() ? ModelState.READY : ModelState.AWAITS_BASE;
  }

  /** How far a version is, in a word or a reason. */
  public String state(String name, PoolModel model) {
    boolean isBase = model.manifest().getRole() == Role.BASE;
    return switch (stateOf(name, model)) {
      case READY -> isBase ? BASE_READY : READY;
      case INCOMPLETE -> isBase ? "base, incomplete" : "incomplete";
      case AWAITS_FISHER -> "awaits its Fisher";
      case AWAITS_BASE -> "ready, awaits the base";
      case LEFT_OUT ->
          "left out: " + leftOut.get(new ModelVersion(name, model.manifest().getVersion()));
      case REJECTED -> "rejected: " + rejections.get(name);
    };
  }
}
