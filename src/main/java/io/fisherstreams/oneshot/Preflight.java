package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.QuantizedWeights;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.config.MergeFile.Model;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GroupedModel;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.NamePatterns;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.fisher.Shares.Takeover;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.UnchangedWeight;
import io.fisherstreams.tensor.TensorInfo;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Checks all files of a merge before anything is published, and sums the Fishers at the same time.
 * It reads all values of all merged parameters, shard by shard; memory holds one shard a thread,
 * whatever the size and number of the models.
 *
 * <p>It rejects, with {@link InvalidInput} naming file, tensor, expected and found: a base without
 * anything to merge, or with a NaN in any tensor; a merged parameter that a model or a Fisher
 * lacks, or has in another shape ({@code [1]} is not {@code []}) or in a type that is not floating;
 * a merged parameter that is not finite (an infinity stays infinite when merged with anything
 * finite, and becomes NaN with ε = 0; a constant mask belongs among the excluded patterns); a
 * Fisher entry that is negative, not finite or beyond float32; weights that are all zero. It
 * ignores tensors that only a model has, such as its own head.
 */
public final class Preflight {
  private Preflight() {}

  /** Is notified of bytes read; one call at a time, from any thread. */
  public interface ReadListener {
    /**
     * More bytes were read.
     *
     * @param done bytes read so far
     * @param total bytes to read in all
     */
    void read(long done, long total);
  }

  /**
   * What was found.
   *
   * @param base the base's tensors, with at least one merged parameter
   * @param notes what the user should know of the files
   * @param elements J, their elements together
   * @param models every model by its name
   * @param takeovers the models that ε makes take over the merge; none when a Fisher is still to be
   *     estimated, or without normalisation
   * @param epsilonWarning what the user should know when ε is most of the weights; empty when a
   *     Fisher is still to be estimated
   */
  public record Report(
      BaseModel base,
      List<String> notes,
      long elements,
      SortedMap<String, ModelReport> models,
      List<Takeover> takeovers,
      Optional<String> epsilonWarning) {
    /** J: the number of merged entries that have a weight in a model. */
    long entries(String model, UnchangedWeight weight) {
      return Preflight.entries(base.tensors(), base, models.get(model).unchanged(), weight);
    }

    /**
     * What a merge of the files weighs.
     *
     * @param coefficients λ, the method's default filled in
     */
    GroupedModel weighed(
        String model,
        Coefficients coefficients,
        MergeFormula formula,
        ParameterGroups groups,
        UnchangedWeight weight) {
      return Preflight.weighed(base, models.get(model), coefficients, formula, groups, weight);
    }
  }

  /**
   * What was found of a model.
   *
   * @param coefficients λ, the method's default filled in
   * @param fisher its Fisher's sums; absent when it is to be estimated from examples
   * @param unchanged the parameters that it leaves as the base has them; empty for a whole model
   */
  public record ModelReport(
      Coefficients coefficients, Optional<FisherReport> fisher, Set<String> unchanged) {}

  /**
   * Sums over the merged entries of a diagonal Fisher. Each shard is summed in float64 and the
   * shards' sums exactly, so the figures do not depend on threads or order.
   *
   * @param total ΣF
   * @param squares ΣF²
   * @param examples how many examples the Fisher represents, if its file says so
   * @param totals ΣF of each parameter
   */
  public record FisherReport(
      double total, double squares, OptionalLong examples, Map<String, BigDecimal> totals) {
    /** N = √ΣF². */
    public double norm() {
      return Math.sqrt(squares);
    }
  }

  /**
   * Checks all files of a merge.
   *
   * @param threads how many threads read, at least 1
   * @throws InvalidInput for the first fault, in the order of the models in the file; the order of
   *     faults within a model does not depend on the threads
   */
  public static Report check(MergeFile merge, int threads, ReadListener listener) {
    SortedMap<String, TensorInfo> merged;
    BaseModel baseModel;
    List<String> notes = new ArrayList<>();
    try (Checkpoint base = Checkpoint.open(merge.base())) {
      base.renaming().ifPresent(how -> notes.add(renamed("base", base, how)));
      baseModel = BaseModel.of(base, merge.method().excludeParamNamesRegex());
      merged = mergedParameters(base, baseModel, merge.method().excludeParamNamesRegex());
    }
    MergeSet mergeSet = baseModel.mergeSet();
    requireMembers(merge, mergeSet);
    long elements = merged.values().stream().mapToLong(TensorInfo::elements).sum();
    // All headers before any data: a missing file of the last model is reported at once.
    long bytes = 0;
    Map<String, Set<String>> unchanged = new HashMap<>();
    for (Model model : merge.models()) {
      unchanged.put(model.name(), unchanged(model, baseModel, notes));
      SortedMap<String, TensorInfo> own = own(merged, unchanged.get(model.name()));
      bytes += bytesToRead(model, merge.fisher(model), own, baseModel, notes);
    }
    try (Checkpoint base = Checkpoint.open(merge.base())) {
      for (Model model : merge.models()) {
        differentIntegers(base, baseModel, model).ifPresent(notes::add);
      }
      bytes += ModelCheck.floating(base).stream().mapToLong(TensorInfo::bytes).sum();
    }
    SortedMap<String, ModelReport> models = new TreeMap<>();
    try (ValueReader reader = new ValueReader(threads, listener, bytes)) {
      reader.checkBase(merge.base(), mergeSet);
      for (Model model : merge.models()) {
        Set<String> ofBase = unchanged.get(model.name());
        SortedMap<String, TensorInfo> own = own(merged, ofBase);
        reader.checkParameters(model, baseModel, own);
        models.put(
            model.name(),
            new ModelReport(
                merge.coefficients(model),
                merge.fisher(model).map(fisher -> reader.sumFisher(model, fisher, own)),
                ofBase));
      }
    }
    MergeFormula formula = merge.method().formula();
    SortedMap<String, GroupedModel> known = known(merge, models, baseModel);
    return new Report(
        baseModel,
        List.copyOf(notes),
        elements,
        Collections.unmodifiableSortedMap(models),
        Shares.takeovers(known, formula),
        EpsilonShares.warning(
            formula, PlannedModels.epsilonParts(PlannedModels.weigh(formula, known))));
  }

  private static void requireMembers(MergeFile merge, MergeSet mergeSet) {
    try {
      merge.method().groups().requireMembers(mergeSet.names());
    } catch (InvalidInput e) {
      throw new InvalidInput(merge.file() + ": method.groups: " + e.getMessage(), e);
    }
  }

  private static SortedMap<String, TensorInfo> own(
      SortedMap<String, TensorInfo> merged, Set<String> unchanged) {
    SortedMap<String, TensorInfo> own = new TreeMap<>(merged);
    own.keySet().removeAll(unchanged);
    return own;
  }

  private static GroupedModel weighed(
      BaseModel base,
      ModelReport model,
      Coefficients coefficients,
      MergeFormula formula,
      ParameterGroups groups,
      UnchangedWeight weight) {
    double own = coefficients.own().orElseThrow();
    List<Double> inGroups = coefficients.inGroups(groups, own);
    Optional<FisherReport> fisher =
        formula.readsFishers() ? Optional.of(model.fisher.orElseThrow()) : Optional.empty();
    MergeFormula.Model whole =
        new MergeFormula.Model(
            own,
            fisher.map(FisherReport::total).orElse(0.0),
            fisher.map(FisherReport::norm).orElse(0.0),
            entries(base.tensors(), base, model.unchanged, weight));
    if (inGroups.isEmpty()) {
      return GroupedModel.of(whole);
    }
    List<GroupedModel.Part> parts = new ArrayList<>();
    for (List<TensorInfo> part : groups.part(base.tensors(), TensorInfo::name)) {
      BigDecimal total = BigDecimal.ZERO;
      for (TensorInfo tensor : part) {
        total =
            total.add(
                fisher
                    .map(report -> report.totals.getOrDefault(tensor.name(), BigDecimal.ZERO))
                    .orElse(BigDecimal.ZERO));
      }
      parts.add(
          new GroupedModel.Part(total.doubleValue(), entries(part, base, model.unchanged, weight)));
    }
    return new GroupedModel(whole, inGroups, parts);
  }

  private static long entries(
      Collection<TensorInfo> tensors,
      BaseModel base,
      Set<String> unchanged,
      UnchangedWeight weight) {
    return tensors.stream()
        .filter(tensor -> base.mergeSet().merges(tensor.name()))
        .filter(tensor -> weight == UnchangedWeight.EPSILON || !unchanged.contains(tensor.name()))
        .mapToLong(TensorInfo::elements)
        .sum();
  }

  /** What a model leaves as the base has it. */
  private static Set<String> unchanged(Model model, BaseModel base, List<String> notes) {
    try (Checkpoint checkpoint = base.open(model.checkpoint())) {
      if (!checkpoint.isExpanded()) {
        return Set.of();
      }
      Set<String> merged = base.mergeSet().names();
      Set<String> ofBase = Set.copyOf(checkpoint.unchanged());
      long own = merged.stream().filter(name -> !ofBase.contains(name)).count();
      String what =
          String.format(
              Locale.ROOT,
              "model '%s' (%s) is a LoRA adapter: it changes %d of the %d merged parameters",
              model.name(),
              model.checkpoint(),
              own,
              merged.size());
      if (own == 0) {
        throw new InvalidInput(what);
      }
      notes.add(what + "; the others are the base's");
      return ofBase;
    }
  }

  private static String renamed(String what, Checkpoint file, String how) {
    return "%s (%s): its tensors are read %s".formatted(what, file.path(), how);
  }

  private static SortedMap<String, TensorInfo> mergedParameters(
      Checkpoint base, BaseModel baseModel, List<String> patterns) {
    ModelCheck.rejectQuantized(base, patterns);
    MergeSet mergeSet = baseModel.mergeSet();
    if (mergeSet.names().isEmpty()) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              ("%s: nothing to merge: of its %d tensors none is floating and outside the excluded"
                  + " patterns %s"),
              base.path(),
              base.tensors().size(),
              patterns));
    }
    // A user counts eight-bit floats as floating and would not expect them to keep the base's
    // value.
    NamePatterns excluded = NamePatterns.of(patterns);
    for (TensorInfo tensor : base.tensors().values()) {
      if (tensor.dtype().name().startsWith("F8_") && !excluded.match(tensor.name())) {
        throw new InvalidInput(
            ("%s: tensor '%s' is %s, which cannot be merged: convert the model to BF16 or wider, or"
                    + " exclude the tensor to keep the base's value")
                .formatted(base.path(), tensor.name(), tensor.dtype()));
      }
    }
    SortedMap<String, TensorInfo> merged = new TreeMap<>(base.tensors());
    merged.keySet().retainAll(mergeSet.names());
    return merged;
  }

  private static long bytesToRead(
      Model model,
      Optional<Path> fisherFile,
      SortedMap<String, TensorInfo> merged,
      BaseModel base,
      List<String> notes) {
    long bytes;
    String what = "model '" + model.name() + "'";
    try (Checkpoint checkpoint = base.open(model.checkpoint())) {
      QuantizedWeights.reject(what, checkpoint, name -> false);
      ModelCheck.requireMerged(what, checkpoint, merged.values());
      base.ties().requireTied(what, checkpoint);
      checkpoint.renaming().ifPresent(how -> notes.add(renamed(what, checkpoint, how)));
      bytes = bytes(checkpoint, merged);
    }
    if (fisherFile.isPresent()) {
      try (Checkpoint fisher = Checkpoint.openAs(fisherFile.get(), merged.keySet())) {
        ModelCheck.requireMerged("Fisher of model '" + model.name() + "'", fisher, merged.values());
        ModelCheck.examples(fisher);
        bytes += bytes(fisher, merged);
      }
    }
    return bytes;
  }

  /** Integer tensors keep the base's value, whatever a model has. */
  private static Optional<String> differentIntegers(
      Checkpoint base, BaseModel baseModel, Model model) {
    try (Checkpoint checkpoint = baseModel.open(model.checkpoint())) {
      List<String> different =
          base.tensors().values().stream()
              .filter(tensor -> !tensor.dtype().mergeable())
              .filter(tensor -> tensor.equals(checkpoint.tensors().get(tensor.name())))
              .map(TensorInfo::name)
              .filter(name -> !base.hasSameBytes(name, checkpoint, name))
              .toList();
      return different.isEmpty()
          ? Optional.empty()
          : Optional.of(
              String.format(
                  Locale.ROOT,
                  "model '%s' (%s): %d tensors that are not of a floating type differ from the base's; the merge keeps the base's: %s",
                  model.name(),
                  checkpoint.path(),
                  different.size(),
                  String.join(", ", different.subList(0, Math.min(5, different.size())))
                      + (different.size() > 5 ? ", …" : "")));
    }
  }

  private static long bytes(Checkpoint file, SortedMap<String, TensorInfo> merged) {
    return merged.keySet().stream().mapToLong(name -> file.tensors().get(name).bytes()).sum();
  }

  /** The models with their Fishers' sums; none when a Fisher is still to be estimated. */
  private static SortedMap<String, GroupedModel> known(
      MergeFile merge, SortedMap<String, ModelReport> models, BaseModel base) {
    MergeFormula formula = merge.method().formula();
    SortedMap<String, GroupedModel> known = new TreeMap<>();
    for (Model model : merge.models()) {
      ModelReport report = models.get(model.name());
      if (report.fisher().isPresent()) {
        FisherReport fisher = report.fisher().get();
        requireWeight(model, fisher, formula);
        known.put(
            model.name(),
            weighed(
                base,
                report,
                report.coefficients(),
                formula,
                merge.method().groups(),
                merge.method().unchangedParameters()));
      }
    }
    if (known.size() < models.size()) {
      return new TreeMap<>();
    }
    if (known.values().stream().noneMatch(model -> model.isWeighted(formula))) {
      throw new InvalidInput(noWeight(merge.file()));
    }
    if (known.values().stream().anyMatch(model -> model.whole().entries() > 0)
        && Shares.of(known, formula).values().stream().allMatch(share -> share == 0)) {
      throw new InvalidInput(
          ("%s: all weights are zero: every model with a coefficient above 0 has a zero Fisher, and"
                  + " minimal_fisher_weight is %s")
              .formatted(merge.file(), formula.constant()));
    }
    return known;
  }

  /** Says that no model has a coefficient other than 0 in a parameter that it changes. */
  static String noWeight(Path file) {
    return file
        + ": all weights are zero: every model's coefficient is 0 in every parameter that is merged";
  }

  private static void requireWeight(Model model, FisherReport fisher, MergeFormula formula) {
    if (formula instanceof FisherAverage average
        && average.rejectsZeroFisher()
        && fisher.squares() == 0) {
      throw new InvalidInput(
          ("Fisher of model '%s' (%s) is zero (ΣF² = 0) and cannot be normalised with"
                  + " minimal_fisher_weight 0: give the model a Fisher, or set"
                  + " minimal_fisher_weight above 0")
              .formatted(model.name(), model.fisher().orElseThrow()));
    }
  }
}
