package io.fisherstreams.coordinator;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelName;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Role;
import io.fisherstreams.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * The pool as its manifests and its progress records describe it. Pure: it knows no Kafka, the
 * coordinator stage and the {@code status} command feed it alike.
 */
public final class PoolView {
  /**
   * What a plan would merge now.
   *
   * @param base the base model
   * @param models the ready models in the order of their names, with norms, weights and shares
   * @param versions the version of each that is used
   * @param takeovers models that dominate because of epsilon, not of their Fisher
   */
  public record Proposal(
      PoolModel base,
      List<PlannedModel> models,
      SortedMap<String, Long> versions,
      List<Shares.Takeover> takeovers) {
    /** Whether a plan merges exactly this. */
    public boolean isPlannedBy(MergePlan plan) {
      return plan.getBaseModel().equals(base.manifest().getModel())
          && plan.getBaseVersion() == base.manifest().getVersion()
          && plan.getMethod().equals(base.manifest().getMethod())
          && plan.getModels().equals(models);
    }
  }

  private final int partitions;
  private final SortedMap<String, NavigableMap<Long, PoolModel>> models = new TreeMap<>();
  private final Map<String, Long> retired;
  private String base;

  /**
   * An empty pool.
   *
   * @param retired by model: the highest version that was withdrawn or replaced; kept up to date
   */
  public PoolView(int partitions, Map<String, Long> retired) {
    this.partitions = partitions;
    this.retired = new HashMap<>(retired);
  }

  /** The highest retired version by model. */
  public Map<String, Long> retired() {
    return Collections.unmodifiableMap(retired);
  }

  /** All versions that are in use or may come to be, by model. */
  public SortedMap<String, NavigableMap<Long, PoolModel>> models() {
    return Collections.unmodifiableSortedMap(models);
  }

  /** Name of the base model. */
  public Optional<String> base() {
    return Optional.ofNullable(base);
  }

  /** Takes a manifest; refuses it with {@link RejectedRecord}. */
  public void announce(String key, ModelManifest manifest) {
    String model = manifest.getModel();
    if (!model.equals(key)) {
      throw new RejectedRecord("key is '" + key + "', the manifest names model '" + model + "'");
    }
    try {
      new ModelName(model);
    } catch (InvalidInput e) {
      throw new RejectedRecord(e.getMessage());
    }
    check(manifest);
    NavigableMap<Long, PoolModel> versions =
        models.getOrDefault(model, Collections.emptyNavigableMap());
    long lowest =
        Math.max(
            retired.getOrDefault(model, Long.MIN_VALUE),
            versions.isEmpty() ? Long.MIN_VALUE : versions.lastKey() - 1);
    if (manifest.getVersion() <= lowest) {
      throw new RejectedRecord(
          model
              + "@"
              + manifest.getVersion()
              + " is stale: the model has had version "
              + (versions.isEmpty() ? retired.get(model) : versions.lastKey()));
    }
    PoolModel again = versions.get(manifest.getVersion());
    if (again != null) {
      if (!again.manifest().getContentHash().equals(manifest.getContentHash())
          || !again.manifest().getParameters().equals(manifest.getParameters())
          || again.manifest().getExamples() != manifest.getExamples()
          || again.manifest().getRefineEvery() != manifest.getRefineEvery()
          || again.manifest().getDecay() != manifest.getDecay()
          || !Objects.equals(again.manifest().getConfig(), manifest.getConfig())
          || !Objects.equals(again.manifest().getEstimation(), manifest.getEstimation())) {
        throw new RejectedRecord(
            model
                + "@"
                + manifest.getVersion()
                + " was announced before with other content; use a higher version");
      }
      again.manifest(manifest);
      return;
    }
    PoolModel announced = new PoolModel(manifest, partitions);
    models.computeIfAbsent(model, m -> new TreeMap<>()).put(manifest.getVersion(), announced);
    if (manifest.getRole() == Role.BASE) {
      base = model;
    }
  }

  private void check(ModelManifest manifest) {
    boolean isBase = manifest.getRole() == Role.BASE;
    if (isBase && base != null && !base.equals(manifest.getModel())) {
      throw new RejectedRecord("the pool's base model is " + base + "; withdraw it first");
    }
    if (!isBase && manifest.getModel().equals(base)) {
      throw new RejectedRecord(base + " is the pool's base model");
    }
    if (isBase != (manifest.getMethod() != null)) {
      throw new RejectedRecord("a BASE manifest, and no other, carries the pool's method");
    }
    if (isBase) {
      MergeMethod method = manifest.getMethod();
      requireAtLeast("minimalFisherWeight", method.getMinimalFisherWeight(), 0);
      try {
        method.getExcludeParamNamesRegex().forEach(Pattern::compile);
      } catch (PatternSyntaxException e) {
        throw new RejectedRecord("unreadable pattern: " + e.getMessage());
      }
      String output = method.getOutputDtype();
      if (output != null && DType.of(output).filter(DType::mergeable).isEmpty()) {
        throw new RejectedRecord("outputDtype is " + output + ", expected a floating type or null");
      }
    }
    if (manifest.getCoefficient() != null) {
      requireAtLeast("coefficient", manifest.getCoefficient(), 0);
    }
    requireAtLeast("examples", (double) manifest.getExamples(), 1);
    requireAtLeast("refineEvery", (double) manifest.getRefineEvery(), 0);
    if (!(manifest.getDecay() > 0 && manifest.getDecay() <= 1)) {
      throw new RejectedRecord(
          "decay is " + manifest.getDecay() + ", expected above 0 and at most 1");
    }
  }

  private static void requireAtLeast(String name, double value, double least) {
    if (!(value >= least) || Double.isInfinite(value)) {
      throw new RejectedRecord(
          name + " is " + value + ", expected a finite number of at least " + least);
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

  /**
   * Takes a partition's report of a model; one of a version that is gone, or not announced yet, is
   * looked at and passed over.
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
   * What can be merged now; empty while base or every model is incomplete, or no model has any
   * weight.
   */
  public Optional<Proposal> propose() {
    Optional<PoolModel> ready = readyBase();
    if (ready.isEmpty()) {
      return Optional.empty();
    }
    PoolModel baseModel = ready.get();
    MergeMethod method = baseModel.manifest().getMethod();
    MergeSet mergeSet = baseModel.mergeSet();
    Map<String, PoolModel> chosen = new LinkedHashMap<>();
    models.forEach(
        (name, versions) -> {
          if (!name.equals(base)) {
            ready(versions, baseModel).ifPresent(model -> chosen.put(name, model));
          }
        });
    double epsilon = method.getMinimalFisherWeight();
    long entries = 0;
    for (String name : mergeSet.names()) {
      entries += baseModel.tensors().get(name).elements();
    }
    Map<String, Shares.Weight> weights = new TreeMap<>();
    chosen.forEach(
        (name, model) -> {
          // the newest manifest's coefficient, also while its own tensors are still on their way
          Double given = models.get(name).lastEntry().getValue().manifest().getCoefficient();
          PoolModel.Sums sums = model.sums(model.epoch().orElseThrow(), mergeSet);
          weights.put(
              name,
              new Shares.Weight(
                  given != null ? given : 1.0 / chosen.size(), sums.total(), sums.norm()));
        });
    boolean normalize = method.getNormalizeFisherWeight();
    Map<String, Double> shares = Shares.of(weights, epsilon, entries, normalize);
    List<PlannedModel> planned = new ArrayList<>();
    SortedMap<String, Long> versions = new TreeMap<>();
    weights.forEach(
        (name, weight) -> {
          PoolModel model = chosen.get(name);
          versions.put(name, model.manifest().getVersion());
          planned.add(
              new PlannedModel(
                  name,
                  model.manifest().getVersion(),
                  model.epoch().orElseThrow(),
                  weight.coefficient(),
                  weight.norm(),
                  normalize
                      ? weight.coefficient() / (weight.norm() + epsilon)
                      : weight.coefficient(),
                  shares.get(name)));
        });
    List<Shares.Takeover> takeovers =
        normalize ? Shares.takeovers(weights, epsilon, entries) : List.of();
    boolean weighted = planned.stream().anyMatch(model -> model.getWeight() > 0);
    return weighted
        ? Optional.of(new Proposal(baseModel, planned, versions, takeovers))
        : Optional.empty();
  }

  /** Whether everything that a plan merges is in the pool and there, as far as was reported. */
  public boolean canFinish(MergePlan plan) {
    return find(plan.getBaseModel(), plan.getBaseVersion()).filter(PoolModel::isPresent).isPresent()
        && plan.getModels().stream()
            .allMatch(
                planned ->
                    find(planned.getModel(), planned.getVersion())
                        .filter(model -> model.has(planned.getEpoch()))
                        .isPresent());
  }

  /** Whether a version has all its shards and its whole Fisher, as far as was reported. */
  public boolean isReady(String model, long version) {
    return find(model, version).flatMap(PoolModel::epoch).isPresent();
  }

  private Optional<PoolModel> find(String model, long version) {
    return Optional.ofNullable(models.get(model)).map(versions -> versions.get(version));
  }

  /** Whether there is a base model with all its shards, without which nothing is merged. */
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

  private static Optional<PoolModel> ready(
      NavigableMap<Long, PoolModel> versions, PoolModel baseModel) {
    return versions.descendingMap().values().stream()
        .filter(model -> model.epoch().isPresent() && refusal(model, baseModel).isEmpty())
        .findFirst();
  }

  private static Optional<String> refusal(PoolModel model, PoolModel baseModel) {
    Optional<String> mismatch = model.mismatch(baseModel);
    MergeMethod method = baseModel.manifest().getMethod();
    if (mismatch.isEmpty()
        && method.getNormalizeFisherWeight()
        && method.getMinimalFisherWeight() == 0
        && model
            .epoch()
            .map(epoch -> model.sums(epoch, baseModel.mergeSet()).norm() == 0)
            .orElse(false)) {
      return Optional.of(
          "its Fisher is zero everywhere, which cannot be normalised with epsilon 0");
    }
    return mismatch;
  }

  /** Why a model that has all its shards is not merged, by model. */
  public SortedMap<String, String> refusals() {
    SortedMap<String, String> refusals = new TreeMap<>();
    Optional<PoolModel> ready = readyBase();
    if (ready.isPresent()) {
      models.forEach(
          (name, versions) -> {
            if (!name.equals(base)) {
              refusal(versions.lastEntry().getValue(), ready.get())
                  .ifPresent(reason -> refusals.put(name, reason));
            }
          });
    }
    return refusals;
  }

  /** Retires the versions that a proposal no longer uses, and tells which models lost one. */
  public Set<String> retireBefore(Proposal proposal) {
    Map<String, Long> used = new HashMap<>(proposal.versions());
    used.put(base, proposal.base().manifest().getVersion());
    for (PlannedModel planned : proposal.models()) {
      models
          .get(planned.getModel())
          .get(planned.getVersion())
          .forgetEpochsBefore(planned.getEpoch());
    }
    Set<String> touched = new java.util.TreeSet<>();
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
