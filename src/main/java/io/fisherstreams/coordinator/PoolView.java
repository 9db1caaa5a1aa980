package io.fisherstreams.coordinator;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.record.AnnouncementRules;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Role;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The pool as its manifests and its progress records describe it. Pure: it knows no Kafka. Both the
 * coordinator stage and the {@code status} command fill one.
 */
public final class PoolView {
  private final int partitions;
  private final SortedMap<String, NavigableMap<Long, PoolModel>> models = new TreeMap<>();
  private final Map<String, Long> retired;
  private String base;

  /**
   * An empty pool.
   *
   * @param retired by model: the highest version that was withdrawn or replaced before
   */
  public PoolView(int partitions, Map<String, Long> retired) {
    this.partitions = partitions;
    this.retired = new HashMap<>(retired);
  }

  /** By model: the highest version that was withdrawn or replaced. */
  public Map<String, Long> retired() {
    return Collections.unmodifiableMap(retired);
  }

  /** Forgets that versions of a model were retired: nobody has anything of them any more. */
  void forget(String model) {
    retired.remove(model);
  }

  /** All versions that are used or may still be, by model. */
  public SortedMap<String, NavigableMap<Long, PoolModel>> models() {
    return Collections.unmodifiableSortedMap(models);
  }

  /** Name of the base model. */
  public Optional<String> base() {
    return Optional.ofNullable(base);
  }

  /**
   * Adds a manifest's version, or updates the coefficient and method of one that is there.
   *
   * @param key the manifest's key in its topic
   * @throws RejectedRecord as {@link AnnouncementRules#check} does
   */
  public void announce(String key, ModelManifest manifest) {
    String model = manifest.getModel();
    AnnouncementRules.check(
        key,
        manifest,
        new AnnouncementRules.Accepted(
            newest(model).orElse(null),
            retired.getOrDefault(model, Long.MIN_VALUE),
            base,
            models.size()));
    PoolModel again =
        models.getOrDefault(model, Collections.emptyNavigableMap()).get(manifest.getVersion());
    if (again != null) {
      again.manifest(manifest);
      return;
    }
    PoolModel announced = new PoolModel(manifest, partitions);
    models.computeIfAbsent(model, m -> new TreeMap<>()).put(manifest.getVersion(), announced);
    if (manifest.getRole() == Role.BASE) {
      base = model;
    }
  }

  /** The newest accepted manifest of a model, whether its tensors have arrived or not. */
  public Optional<ModelManifest> newest(String model) {
    return Optional.ofNullable(models.get(model))
        .map(versions -> versions.lastEntry().getValue().manifest());
  }

  /**
   * Corrects what a reader of the topic took for accepted, though the coordinator had rejected it.
   *
   * @param accepted the accepted manifest; null when there is none
   */
  void correct(String model, ModelManifest accepted) {
    NavigableMap<Long, PoolModel> versions = models.get(model);
    if (versions != null) {
      versions.tailMap(accepted == null ? Long.MIN_VALUE : accepted.getVersion(), false).clear();
      if (versions.isEmpty()) {
        models.remove(model);
        base = model.equals(base) ? null : base;
      }
    }
    if (accepted != null) {
      announce(model, accepted);
    }
  }

  /** Withdraws a model with all its versions. */
  public void withdraw(String model) {
    NavigableMap<Long, PoolModel> versions = models.remove(model);
    if (versions != null) {
      retired.merge(model, versions.lastKey(), Math::max);
    }
    if (model.equals(base)) {
      base = null;
    }
  }

  /** Removes a model's versions up to one, which a plan lists as retired. */
  void retire(String model, long version) {
    retired.merge(model, version, Math::max);
    NavigableMap<Long, PoolModel> versions = models.get(model);
    if (versions == null) {
      return;
    }
    versions.headMap(version, true).clear();
    if (versions.isEmpty()) {
      models.remove(model);
      base = model.equals(base) ? null : base;
    }
  }

  /**
   * Adds a partition's report on a version. A report on a version that is retired or not announced
   * yet is checked and then ignored.
   *
   * @throws RejectedRecord when its sums are no numbers
   */
  public void progress(int partition, ModelProgress progress) {
    NavigableMap<Long, PoolModel> versions = models.get(progress.getModel());
    PoolModel model = versions == null ? null : versions.get(progress.getVersion());
    if (model != null) {
      model.progress(partition, progress);
    } else {
      ReportedSums.of(progress.getSums(), Map.of());
    }
  }

  /**
   * The models that can be merged now; empty while the base or every model is incomplete, or no
   * model has any weight.
   */
  public Optional<Proposal> propose() {
    return propose(ShareLimits.NONE, List.of());
  }

  /** Whether nothing can be merged because no complete model has a weight. */
  public boolean isUnweighted() {
    return readyBase().filter(ready -> !candidates(ready, Set.of()).isEmpty()).isPresent()
        && propose().isEmpty();
  }

  /**
   * The models that can be merged now without those that must wait. A model whose newest version
   * waits is merged in the version before, while the pool has it.
   *
   * @param leftOut versions that a gate leaves out
   */
  public Optional<Proposal> propose(ShareLimits limits, Collection<LeftOutModel> leftOut) {
    return readyBase().flatMap(baseModel -> propose(baseModel, limits, leftOut));
  }

  private Optional<Proposal> propose(
      PoolModel baseModel, ShareLimits limits, Collection<LeftOutModel> byGate) {
    Map<ModelVersion, LeftOutModel> leftOut = new LinkedHashMap<>();
    byGate.forEach(model -> leftOut.put(version(model), model));
    while (true) {
      Optional<Proposal> proposal = Proposal.of(baseModel, candidates(baseModel, leftOut.keySet()));
      Optional<LeftOutModel> excess = proposal.flatMap(limits::findExcess);
      if (excess.isEmpty()) {
        return proposal.map(found -> found.without(leftOut.values()));
      }
      leftOut.put(version(excess.get()), excess.get());
    }
  }

  private static ModelVersion version(LeftOutModel model) {
    return new ModelVersion(model.getModel(), model.getVersion());
  }

  private List<Proposal.Candidate> candidates(PoolModel baseModel, Set<ModelVersion> leftOut) {
    List<Proposal.Candidate> candidates = new ArrayList<>();
    models.forEach(
        (name, versions) -> {
          if (!name.equals(base)) {
            // the newest manifest's coefficient, even while that version's tensors are incomplete
            Coefficients coefficients = coefficients(versions);
            ready(name, versions, baseModel, leftOut)
                .ifPresent(model -> candidates.add(new Proposal.Candidate(model, coefficients)));
          }
        });
    return candidates;
  }

  /** Whether every version that a plan merges is in the pool and, as reported, still complete. */
  public boolean canFinish(MergePlan plan) {
    boolean readsFishers = MergeMethods.formula(plan.getMethod()).readsFishers();
    return find(plan.getBaseModel(), plan.getBaseVersion()).filter(PoolModel::isPresent).isPresent()
        && plan.getModels().stream()
            .allMatch(
                planned ->
                    find(planned.getModel(), planned.getVersion())
                        .filter(
                            model ->
                                readsFishers ? model.has(planned.getEpoch()) : model.isPresent())
                        .isPresent());
  }

  /** Whether a version has all its shards and its whole Fisher, as reported. */
  public boolean isReady(String model, long version) {
    return find(model, version).flatMap(PoolModel::epoch).isPresent();
  }

  /** Whether a version is used or may still be. */
  public boolean has(String model, long version) {
    return find(model, version).isPresent();
  }

  private Optional<PoolModel> find(String model, long version) {
    return Optional.ofNullable(models.get(model)).map(versions -> versions.get(version));
  }

  /** Whether the pool has a base model with all its shards; without one nothing is merged. */
  public boolean hasReadyBase() {
    return readyBase().isPresent();
  }

  private Optional<PoolModel> readyBase() {
    if (base == null) {
      return Optional.empty();
    }
    return models.get(base).descendingMap().values().stream()
        .filter(PoolModel::isPresent)
        .findFirst();
  }

  /** Whether the pool's method needs Fishers; true while there is no base model. */
  public boolean readsFishers() {
    return formula().map(MergeFormula::readsFishers).orElse(true);
  }

  /** How the pool merges; empty while there is no base model with all its shards. */
  public Optional<MergeFormula> formula() {
    return readyBase().map(PoolModel::formula);
  }

  private static Coefficients coefficients(NavigableMap<Long, PoolModel> versions) {
    return MergeMethods.coefficients(versions.lastEntry().getValue().manifest());
  }

  private static Optional<PoolModel> ready(
      String name,
      NavigableMap<Long, PoolModel> versions,
      PoolModel baseModel,
      Set<ModelVersion> leftOut) {
    Coefficients coefficients = coefficients(versions);
    boolean readsFishers = baseModel.formula().readsFishers();
    return versions.descendingMap().entrySet().stream()
        .filter(version -> !leftOut.contains(new ModelVersion(name, version.getKey())))
        .map(Map.Entry::getValue)
        .filter(model -> readsFishers ? model.epoch().isPresent() : model.isPresent())
        .filter(model -> rejection(model, coefficients, baseModel).isEmpty())
        .findFirst();
  }

  private static Optional<String> rejection(
      PoolModel model, Coefficients coefficients, PoolModel baseModel) {
    Optional<String> mismatch = model.mismatch(baseModel);
    if (mismatch.isPresent()) {
      return mismatch;
    }
    MergeFormula formula = baseModel.formula();
    try {
      CoefficientRules.requireCoefficients(
          "its coefficient", coefficients, formula, baseModel.groups());
    } catch (InvalidInput e) {
      return Optional.of(e.getMessage());
    }
    return formula instanceof FisherAverage average
            && average.rejectsZeroFisher()
            && model
                .epoch()
                .map(epoch -> model.sums(epoch, baseModel.mergeSet()).norm() == 0)
                .orElse(false)
        ? Optional.of("its Fisher is zero everywhere, which cannot be normalised with epsilon 0")
        : Optional.empty();
  }

  /** Why a model that has all its shards is not merged, by model. */
  public SortedMap<String, String> rejections() {
    SortedMap<String, String> rejections = new TreeMap<>();
    Optional<PoolModel> ready = readyBase();
    if (ready.isPresent()) {
      models.forEach(
          (name, versions) -> {
            if (!name.equals(base)) {
              PoolModel newest = versions.lastEntry().getValue();
              rejection(newest, coefficients(versions), ready.get())
                  .ifPresent(reason -> rejections.put(name, reason));
            }
          });
    }
    return rejections;
  }

  /**
   * Retires the versions that a proposal no longer uses.
   *
   * @return the models that lost a version
   */
  public Set<String> retireBefore(Proposal proposal) {
    Map<String, Long> used = new HashMap<>(proposal.versions());
    used.put(base, proposal.base().manifest().getVersion());
    for (PlannedModel planned : proposal.models()) {
      models
          .get(planned.getModel())
          .get(planned.getVersion())
          .forgetEpochsBefore(planned.getEpoch());
    }
    Set<String> touched = new TreeSet<>();
    used.forEach(
        (name, version) -> {
          NavigableMap<Long, PoolModel> older = models.get(name).headMap(version, false);
          if (!older.isEmpty()) {
            retired.merge(name, older.lastKey(), Math::max);
            older.clear();
            touched.add(name);
          }
        });
    return touched;
  }
}
