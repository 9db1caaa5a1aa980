package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeFormula.Factors;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.SumsFile;
import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.merge.state.KeptSet;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Which models the kept sums of one partition hold. A local file has the sums, block by block, and
 * each block names a set of models by its id; the store has the sets. The file is never trusted: a
 * block counts only when its checksum fits and the store has its set. An id is used once, so what
 * an aborted transaction, another instance or a lost payload has left behind fits no set.
 */
final class KeptSums {
  // Plans that newer ones overtook leave a set each.
  private static final int MAX_SETS = 6;
  private static final int BLOCKS = Shard.ELEMENTS / ShardMerge.BLOCK;

  private final KeyValueStore<String, KeptSet> store;
  private final PartitionPayloads payloads;
  private final Map<UUID, Optional<Difference>> differences = new HashMap<>();
  private ResolvedPlan plan;
  private UUID current;
  private KeptSet set;
  private SumsFile file;
  private int bytes;
  private List<Participant> refined = List.of();

  /**
   * What changes from the models of a set to those of the plan.
   *
   * @param gone models to take out
   * @param added models to add
   */
  record Difference(List<KeptModel> gone, Map<ModelVersion, Participant> added) {
    static final Difference NONE = new Difference(List.of(), Map.of());

    /** What one or the other has. */
    Difference and(Difference other) {
      Set<KeptModel> allGone = new HashSet<>(gone);
      allGone.addAll(other.gone);
      Map<ModelVersion, Participant> allAdded = new HashMap<>(added);
      allAdded.putAll(other.added);
      return new Difference(List.copyOf(allGone), allAdded);
    }

    /** Whether nothing changes. */
    boolean isNone() {
      return size() == 0;
    }

    private int size() {
      return gone.size() + added.size();
    }
  }

  KeptSums(KeyValueStore<String, KeptSet> store, PartitionPayloads payloads) {
    this.store = store;
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
    Map<String, KeptSet> sets = sets();
    Optional<String> name =
        sets.values().stream()
            .filter(other -> other.getTerms().equals(terms))
            .map(KeptSet::getFile)
            .filter(other -> payloads.sums(other).exists())
            .findFirst();
    if (name.isEmpty()) {
      forget();
      sets.clear();
    }
    plan = newPlan;
    bytes = elementBytes;
    String fileName = name.orElseGet(() -> UUID.randomUUID().toString());
    file = payloads.sums(fileName);
    List<KeptModel> models = newPlan.participants().stream().map(this::kept).toList();
    use(sets, new KeptSet(newPlan.plan().getRelease(), fileName, terms, false, models));
    Optional<KeptSet> whole = sets.values().stream().filter(KeptSet::getWhole).findFirst();
    refined = refined(whole.map(KeptSet::getModels).orElse(List.of()));
  }

  /** The plan's set: one of the store's if it has the same models, or a new one. */
  private void use(Map<String, KeptSet> sets, KeptSet wanted) {
    for (Map.Entry<String, KeptSet> known : sets.entrySet()) {
      if (known.getValue().getModels().equals(wanted.getModels())) {
        current = UUID.fromString(known.getKey());
        set = known.getValue();
        return;
      }
    }
    while (sets.size() >= MAX_SETS) {
      String oldest =
          sets.entrySet().stream()
              .min(Comparator.comparingLong(entry -> entry.getValue().getRelease()))
              .orElseThrow()
              .getKey();
      sets.remove(oldest);
      store.delete(oldest);
    }
    current = UUID.randomUUID();
    set = wanted;
    store.put(current.toString(), wanted);
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
        + plan.plan().getMethod().getUnchangedParameters();
  }

  private KeptModel kept(Participant participant) {
    PlannedModel planned = participant.planned();
    Factors factors = plan.factors().of(planned, BinnedMerge.MIN_MODELS);
    return new KeptModel(
        planned.getModel(),
        planned.getVersion(),
        participant.held().isPresent(),
        plan.formula().readsFishers() ? planned.getEpoch() : 0,
        factors.weight(),
        factors.unit());
  }

  /** The models of which earlier epochs may be left in a shard. */
  private List<Participant> refined(List<KeptModel> before) {
    Map<ModelVersion, Integer> epochs = new HashMap<>();
    before.forEach(
        model ->
            epochs.put(new ModelVersion(model.getModel(), model.getVersion()), model.getEpoch()));
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

  private Map<String, KeptSet> sets() {
    Map<String, KeptSet> sets = new TreeMap<>();
    try (KeyValueIterator<String, KeptSet> all = store.all()) {
      all.forEachRemaining(entry -> sets.put(entry.key, entry.value));
    }
    return sets;
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
    for (String id : sets().keySet()) {
      if (!id.equals(current.toString())) {
        store.delete(id);
      }
    }
    if (!set.getWhole()) {
      store.put(current.toString(), KeptSet.newBuilder(set).setWhole(true).build());
    }
    end();
  }

  /** Forgets all sums. */
  void forget() {
    sets().keySet().forEach(store::delete);
    payloads.dropSumsExcept(List.of());
    end();
  }

  /** Forgets all sums if they may hold something of a model version. */
  void forget(ModelVersion version) {
    boolean holds =
        sets().values().stream()
            .flatMap(other -> other.getModels().stream())
            .anyMatch(
                model ->
                    model.getModel().equals(version.model())
                        && model.getVersion() == version.version());
    if (holds) {
      forget();
    }
  }

  /** Removes files of sums that no set names: another instance had the partition meanwhile. */
  void removeLeftovers() {
    payloads.dropSumsExcept(sets().values().stream().map(KeptSet::getFile).distinct().toList());
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
    file.write(position(slot, first), new SumsFile.Header(current, outside, isPrecise), sums);
  }

  /** What changes from a set to the plan's; empty when building anew is no more work. */
  Optional<Difference> difference(UUID id) {
    return differences.computeIfAbsent(
        id,
        other ->
            id.equals(current)
                ? Optional.of(Difference.NONE)
                : Optional.ofNullable(store.get(other.toString()))
                    .map(KeptSet::getModels)
                    .map(this::difference)
                    .filter(change -> change.size() < plan.participants().size()));
  }

  private Difference difference(List<KeptModel> before) {
    Set<KeptModel> gone = new HashSet<>(before);
    Map<KeptModel, Participant> wanted = new LinkedHashMap<>();
    for (int i = 0; i < set.getModels().size(); i++) {
      wanted.put(set.getModels().get(i), plan.participants().get(i));
    }
    Map<ModelVersion, Participant> added = new HashMap<>();
    wanted.forEach(
        (model, participant) -> {
          if (!gone.remove(model)) {
            added.put(participant.version(), participant);
          }
        });
    return new Difference(List.copyOf(gone), added);
  }

  /** What must be read for a shard, beside its sums; empty when it is all models. */
  Optional<Difference> change(Slot slot) {
    Difference change = null;
    for (int first = 0; first < slot.shard().elements(); first += ShardMerge.BLOCK) {
      Optional<SumsFile.Header> header = header(slot, first);
      if (header.isEmpty() || !header.get().isPrecise()) {
        return Optional.empty();
      }
      Difference ofBlock = difference(header.get().set()).orElseThrow();
      change = change == null || change.equals(ofBlock) ? ofBlock : change.and(ofBlock);
    }
    return Optional.of(change == null ? Difference.NONE : change);
  }
}
