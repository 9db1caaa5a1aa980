package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeFormula.Factors;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.SumsFile;
import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.merge.state.KeptSet;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Which models the kept sums of one partition hold. A local file has the sums, block by block, and
 * each block names a set of models by its id; the store has the sets. The file is never trusted: a
 * block counts only when its checksum fits and the store has its set. An id is used once, so what
 * an aborted transaction, another instance or a lost payload has left behind fits no set.
 */
final class KeptSums {
  private static final int BLOCKS = Shard.ELEMENTS / ShardMerge.BLOCK;

  private final KeptSets sets;
  private final PartitionPayloads payloads;
  private final Map<UUID, Optional<SetDifference>> differences = new HashMap<>();
  private ResolvedPlan plan;
  private UUID current;
  private KeptSet set;
  private SumsFile file;
  private int bytes;
  private List<Participant> refined = List.of();

  /**
   * What a shard's sums are worth for the plan.
   *
   * @param isUsable whether every block has sums; otherwise the shard is built from all models
   * @param isPrecise whether the result could be computed from every block that has sums
   * @param change what its models must read, if it is usable
   * @param sets the ids that its blocks name
   */
  record Look(boolean isUsable, boolean isPrecise, SetDifference change, Set<UUID> sets) {}

  KeptSums(KeyValueStore<String, KeptSet> store, PartitionPayloads payloads) {
    sets = new KeptSets(store);
    this.payloads = payloads;
  }

  /**
   * Begins with a plan. With fewer models than {@link BinnedMerge#MIN_MODELS} nothing is kept.
   *
   * @param elementBytes bytes of an element's sums
   */
  void begin(ResolvedPlan newPlan, int elementBytes) {
    end();
    if (newPlan.participants().size() < BinnedMerge.MIN_MODELS) {
      forget();
      return;
    }
    String terms = terms(newPlan);
    Optional<String> name =
        sets.all().values().stream()
            .filter(other -> other.getTerms().equals(terms))
            .map(KeptSet::getFile)
            .filter(other -> payloads.sums(other).exists())
            .findFirst();
    if (name.isEmpty()) {
      forget();
    }
    plan = newPlan;
    bytes = elementBytes;
    String fileName = name.orElseGet(() -> UUID.randomUUID().toString());
    file = payloads.sums(fileName);
    List<KeptModel> models = newPlan.participants().stream().map(this::kept).toList();
    current =
        sets.idOfPlan(new KeptSet(newPlan.plan().getRelease(), fileName, terms, false, models));
    set = sets.get(current).orElseThrow();
    refined = refined(sets.whole().map(KeptSet::getModels).orElse(List.of()));
  }

  /** The plan is not worked on any more. */
  void end() {
    plan = null;
    current = null;
    set = null;
    file = null;
    refined = List.of();
    differences.clear();
  }

  /** What a model's terms depend on, beside the model. */
  private static String terms(ResolvedPlan plan) {
    return plan.formula()
        + " "
        + plan.base().id()
        + " "
        + plan.plan().getMethod().getExcludeParamNamesRegex()
        + plan.plan().getMethod().getUnchangedParameters()
        + MergeMethods.groups(plan.plan().getMethod());
  }

  private KeptModel kept(Participant participant) {
    PlannedModel planned = participant.planned();
    Factors factors = plan.factors().kept(planned, ParameterGroups.NO_GROUP);
    List<Double> inGroups = new ArrayList<>();
    for (int group = 0; group < planned.getGroupCoefficients().size(); group++) {
      inGroups.add(plan.factors().kept(planned, group).weight());
    }
    return new KeptModel(
        planned.getModel(),
        planned.getVersion(),
        participant.held().isPresent(),
        plan.formula().readsFishers() ? planned.getEpoch() : 0,
        factors.weight(),
        inGroups,
        factors.unit());
  }

  /** The models of which earlier epochs may be left in a shard. */
  private List<Participant> refined(List<KeptModel> before) {
    Map<ModelVersion, Integer> epochs = new HashMap<>();
    before.forEach(model -> epochs.put(SetDifference.version(model), model.getEpoch()));
    return plan.participants().stream()
        .filter(participant -> participant.planned().getEpoch() > 1)
        .filter(
            participant ->
                participant.planned().getEpoch() != epochs.getOrDefault(participant.version(), 0))
        .toList();
  }

  /**
   * The models of which an epoch before the planned one may be left in a shard, because the last
   * plan that was carried out did not merge the planned one.
   */
  List<Participant> refined() {
    return refined;
  }

  /** Whether sums are kept for the present plan. */
  boolean areKept() {
    return plan != null;
  }

  /** All shards hold the plan's models: nothing of other ones is needed any more. */
  void complete() {
    if (plan == null) {
      return;
    }
    sets.keepOnly(List.of(current));
    if (!set.getWhole()) {
      sets.put(current, KeptSet.newBuilder(set).setWhole(true).build());
    }
    end();
  }

  /** Forgets all sums. */
  void forget() {
    sets.keepOnly(List.of());
    payloads.dropSumsExcept(List.of());
    end();
  }

  /** Forgets all sums if they may hold something of a model version. */
  void forget(ModelVersion version) {
    if (sets.hold(version)) {
      forget();
    }
  }

  /** Forgets the sets that no block names, other than the plan's. */
  void keepOnly(Set<UUID> named) {
    Set<UUID> kept = new LinkedHashSet<>(named);
    kept.add(current);
    sets.keepOnly(kept);
  }

  /** Removes files of sums that no set names: another instance had the partition meanwhile. */
  void removeLeftovers() {
    payloads.dropSumsExcept(sets.all().values().stream().map(KeptSet::getFile).distinct().toList());
  }

  /** Where a block begins in the file. */
  private long position(Slot slot, int first) {
    return (slot.firstElement() + first) * bytes
        + ((long) slot.ordinal() * BLOCKS + first / ShardMerge.BLOCK) * SumsFile.HEADER_BYTES;
  }

  private int blockBytes(Slot slot, int first) {
    return Math.min(ShardMerge.BLOCK, slot.shard().elements() - first) * bytes;
  }

  /** A block's header, if the store has its set. */
  Optional<SumsFile.Header> header(Slot slot, int first) {
    return file.header(position(slot, first), blockBytes(slot, first))
        .filter(header -> difference(header.set()).isPresent());
  }

  /** Reads a block whose header was read before; whether its checksum fits. */
  boolean read(Slot slot, int first, ByteBuffer sums) {
    return file.read(position(slot, first), blockBytes(slot, first), sums);
  }

  /** Keeps a block, as sums of the plan's models. */
  void write(Slot slot, int first, ByteBuffer sums, long outside, boolean isPrecise) {
    write(slot, first, sums, new SumsFile.Header(current, outside, isPrecise));
  }

  /** Keeps a block, as sums of any set's models. */
  void write(Slot slot, int first, ByteBuffer sums, SumsFile.Header header) {
    file.write(position(slot, first), header, sums);
  }

  /** What changes from a set to the plan's; empty when building anew is no more work. */
  Optional<SetDifference> difference(UUID id) {
    return differences.computeIfAbsent(
        id,
        other ->
            id.equals(current)
                ? Optional.of(SetDifference.NONE)
                : sets.get(other)
                    .map(before -> SetDifference.of(before.getModels(), wanted()))
                    .filter(change -> change.size() < plan.participants().size()));
  }

  /** What must be added to empty sums. */
  SetDifference fromNothing() {
    return SetDifference.of(List.of(), wanted());
  }

  /**
   * A set on the way to the plan's, in which some model versions are as the plan has them, and the
   * others as they were.
   *
   * @param from the set before; empty for one without models
   */
  UUID partway(Optional<UUID> from, Set<ModelVersion> moved) {
    Set<KeptModel> models = new LinkedHashSet<>();
    from.ifPresent(id -> models.addAll(sets.get(id).orElseThrow().getModels()));
    SetDifference change =
        from.map(id -> difference(id).orElseThrow()).orElseGet(this::fromNothing).only(moved);
    change.gone().forEach(models::remove);
    change.added().values().forEach(added -> models.add(kept(added)));
    return sets.idOf(KeptSets.partOf(set, models));
  }

  private Map<KeptModel, Participant> wanted() {
    Map<KeptModel, Participant> wanted = new LinkedHashMap<>();
    for (int i = 0; i < set.getModels().size(); i++) {
      wanted.put(set.getModels().get(i), plan.participants().get(i));
    }
    return wanted;
  }

  /** What must be read for a shard, beside its sums. */
  Look look(Slot slot) {
    boolean isUsable = true;
    boolean isPrecise = true;
    SetDifference change = null;
    Set<UUID> named = new LinkedHashSet<>();
    for (int first = 0; first < slot.shard().elements(); first += ShardMerge.BLOCK) {
      Optional<SumsFile.Header> header = header(slot, first);
      if (header.isEmpty()) {
        isUsable = false;
        continue;
      }
      isPrecise &= header.get().isPrecise();
      if (named.add(header.get().set())) {
        SetDifference ofBlock = difference(header.get().set()).orElseThrow();
        change = change == null ? ofBlock : change.and(ofBlock);
      }
    }
    return new Look(isUsable, isPrecise, change == null ? SetDifference.NONE : change, named);
  }
}
