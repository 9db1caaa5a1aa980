package io.fisherstreams.merge;

import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one partition of the merge stage has, on its state stores: manifests of the versions it
 * holds shards of, a {@link ShardState} per shard with its folds of gradient batches, and counts
 * per version. Everything that a transaction must keep or undo together goes through here.
 */
final class Ledger {
  private static final Logger LOG = LoggerFactory.getLogger(Ledger.class);
  private static final int MAX_MISSING_NAMES = 20;

  private final KeyValueStore<String, ModelManifest> manifests;
  private final KeyValueStore<String, ShardState> shards;
  private final KeyValueStore<String, FoldedBatches> folded;
  private final KeyValueStore<String, ModelCounts> counts;
  private final ModelCatalog catalog;
  private final int partition;
  private final int partitions;
  private final Map<String, KnownModel> known = new HashMap<>();
  private final Set<String> changed = new LinkedHashSet<>();
  private boolean completed;
  private long arrivals;
  private long losses;

  Ledger(
      KeyValueStore<String, ModelManifest> manifests,
      KeyValueStore<String, ShardState> shards,
      KeyValueStore<String, FoldedBatches> folded,
      KeyValueStore<String, ModelCounts> counts,
      ModelCatalog catalog,
      int partition,
      int partitions) {
    this.manifests = manifests;
    this.shards = shards;
    this.folded = folded;
    this.counts = counts;
    this.catalog = catalog;
    this.partition = partition;
    this.partitions = partitions;
  }

  /** The model version that a record names; refuses one that is unknown, withdrawn or stale. */
  KnownModel admit(String model, long version) {
    ModelVersion named = new ModelVersion(model, version);
    Optional<ModelManifest> latest = catalog.latest(named);
    if (latest.isPresent()
        && latest.get().getVersion() < version
        && held(model, version).isPresent()) {
      // the lower manifest came later, and the coordinator has refused it as stale
      return held(model, version).get();
    }
    ModelManifest current = ModelCatalog.requireCurrent(latest, named);
    KnownModel admitted = known.get(KnownModel.id(model, version));
    if (admitted == null) {
      // The manifest under which its first shard was taken holds for all: they lie where it says.
      Optional<KnownModel> held = held(model, version);
      if (held.isPresent()) {
        return held.get();
      }
      admitted = new KnownModel(current, partition, partitions);
      manifests.put(admitted.id(), current);
      known.put(admitted.id(), admitted);
    }
    return admitted;
  }

  /** A version that this partition holds shards of. */
  Optional<KnownModel> held(String model, long version) {
    String id = KnownModel.id(model, version);
    KnownModel held = known.get(id);
    if (held == null) {
      ModelManifest manifest = manifests.get(id);
      if (manifest == null) {
        return Optional.empty();
      }
      held = new KnownModel(manifest, partition, partitions);
      known.put(id, held);
    }
    return Optional.of(held);
  }

  /** Every version of a model that this partition holds shards of. */
  List<KnownModel> heldVersions(String model) {
    List<KnownModel> versions = new ArrayList<>();
    try (KeyValueIterator<String, ModelManifest> all =
        manifests.range(model + "@", model + "A")) { // '@' + 1
      while (all.hasNext()) {
        ModelManifest manifest = all.next().value;
        if (manifest.getModel().equals(model)) {
          versions.add(new KnownModel(manifest, partition, partitions));
        }
      }
    }
    return versions;
  }

  /** Key of a shard's state. */
  static String key(KnownModel model, Shard shard) {
    return model.id() + "/" + shard.id();
  }

  /** The {@code model@version} of a shard's key. */
  static String modelId(String key) {
    return key.substring(0, key.indexOf('/', key.indexOf('@'))); // a model's name has no '@'
  }

  /** The shard's state; a new one when nothing of it has come yet. */
  ShardState shard(KnownModel model, Shard shard) {
    ShardState state = shards.get(key(model, shard));
    return state != null
        ? state
        : ShardState.newBuilder()
            .setEpochs(new ArrayList<>())
            .setOpen(new ArrayList<>())
            .setApplied(new ArrayList<>())
            .setSummed(new ArrayList<>())
            .build();
  }

  void put(KnownModel model, Shard shard, ShardState state) {
    shards.put(key(model, shard), state);
  }

  private static String foldKey(KnownModel model, Shard shard, int fold) {
    return key(model, shard) + "#" + fold;
  }

  /** The batches of one of a shard's folds, counted from 0. */
  List<OpenBatch> folded(KnownModel model, Shard shard, int fold) {
    return folded.get(foldKey(model, shard, fold)).getBatches();
  }

  /** Moves a shard's open batches to a fold, the next one. */
  void fold(KnownModel model, Shard shard, ShardState state) {
    folded.put(foldKey(model, shard, state.getFolds()), new FoldedBatches(state.getOpen()));
    state.setFolds(state.getFolds() + 1);
    for (OpenBatch batch : state.getOpen()) {
      state.setFoldedExamples(state.getFoldedExamples() + batch.getExamples());
    }
    state.setOpen(new ArrayList<>());
  }

  /** All batches of a shard's open epoch, in the order in which they came. */
  List<OpenBatch> openBatches(KnownModel model, Shard shard, ShardState state) {
    List<OpenBatch> batches = new ArrayList<>();
    for (int fold = 0; fold < state.getFolds(); fold++) {
      batches.addAll(folded(model, shard, fold));
    }
    batches.addAll(state.getOpen());
    return batches;
  }

  /** Empties a shard's open epoch; the state is not put. */
  void clearOpen(KnownModel model, Shard shard, ShardState state) {
    for (int fold = 0; fold < state.getFolds(); fold++) {
      folded.delete(foldKey(model, shard, fold));
    }
    state.setOpen(new ArrayList<>());
    state.setFolds(0);
    state.setFoldedExamples(0);
    state.setPartialFolds(0);
    state.setPartialCrc(0);
  }

  private ModelCounts counts(KnownModel model) {
    ModelCounts found = counts.get(model.id());
    return found != null ? found : new ModelCounts(0, 0, new ArrayList<>());
  }

  /** Counts one more checkpoint shard. */
  void countPresent(KnownModel model) {
    ModelCounts now = counts(model);
    now.setPresent(now.getPresent() + 1);
    counts.put(model.id(), now);
    arrivals++;
    changed(model, canBeMerged(model, now));
  }

  /**
   * Counts one more shard that has sealed an epoch.
   *
   * @return whether it was the last one of an epoch
   */
  boolean countSealed(KnownModel model, int epoch) {
    arrivals++;
    ModelCounts now = counts(model);
    List<Integer> sealed = now.getSealed();
    int place = epoch - now.getEpoch() - 1;
    while (sealed.size() <= place) {
      sealed.add(0);
    }
    sealed.set(place, sealed.get(place) + 1);
    boolean next = false;
    while (!sealed.isEmpty() && sealed.get(0) == model.fisher().slots().size()) {
      sealed.remove(0);
      now.setEpoch(now.getEpoch() + 1);
      next = true;
    }
    counts.put(model.id(), now);
    changed(model, next && canBeMerged(model, now));
    return next;
  }

  /** Whether this partition has all that a plan needs of a version. */
  private static boolean canBeMerged(KnownModel model, ModelCounts now) {
    return now.getPresent() == model.checkpoint().slots().size()
        && (now.getEpoch() > 0 || model.fisher().slots().isEmpty());
  }

  private void changed(KnownModel model, boolean step) {
    changed.add(model.id());
    completed |= step;
  }

  /** Grows with every checkpoint shard that arrives and every Fisher that is sealed. */
  long arrivals() {
    return arrivals;
  }

  /** Grows with every payload that is lost. */
  long losses() {
    return losses;
  }

  /**
   * Whether a model has taken a step that the coordinator waits for since {@link #takeChanged} was
   * called last.
   */
  boolean hasCompleted() {
    return completed;
  }

  /** Progress of every version that changed since the last call. */
  List<ModelProgress> takeChanged() {
    List<ModelProgress> progress = new ArrayList<>();
    for (String id : changed) {
      KnownModel model = known.get(id);
      if (model != null) {
        progress.add(progress(model));
      }
    }
    changed.clear();
    completed = false;
    return progress;
  }

  private ModelProgress progress(KnownModel model) {
    ModelCounts now = counts(model);
    int expected = model.checkpoint().slots().size();
    int fishers = model.fisher().slots().size();
    int epoch = now.getEpoch();
    int sealed = now.getSealed().isEmpty() ? 0 : now.getSealed().get(0);
    List<String> missing = List.of();
    Optional<List<FisherSums>> sums = Optional.empty();
    if (now.getPresent() < expected) {
      missing = withoutCheckpoint(model);
    } else if (epoch == 0 && fishers > 0) {
      missing = belowEpoch(model, 1);
    } else {
      sums = sums(model, epoch);
      if (sums.isEmpty()) {
        // A shard that lost its Fisher is sealing again from the first epoch on, which the others
        // no longer have: nothing can be merged until it has caught up.
        List<String> behind = belowEpoch(model, newestEpoch(model));
        epoch = 0;
        sealed = fishers - behind.size();
        missing = behind;
      }
    }
    return new ModelProgress(
        model.model(),
        model.version(),
        expected,
        now.getPresent(),
        fishers,
        epoch,
        sealed,
        missing.subList(0, Math.min(missing.size(), MAX_MISSING_NAMES)),
        sums.orElse(List.of()));
  }

  private List<String> withoutCheckpoint(KnownModel model) {
    return model.checkpoint().slots().stream()
        .map(Slot::shard)
        .filter(shard -> shard(model, shard).getCheckpointOffset() < 0)
        .map(Shard::id)
        .toList();
  }

  private List<String> belowEpoch(KnownModel model, int epoch) {
    return model.fisher().slots().stream()
        .map(Slot::shard)
        .filter(shard -> newestEpoch(shard(model, shard)) < epoch)
        .map(Shard::id)
        .toList();
  }

  private int newestEpoch(KnownModel model) {
    return model.fisher().slots().stream()
        .mapToInt(slot -> newestEpoch(shard(model, slot.shard())))
        .max()
        .orElse(0);
  }

  private static int newestEpoch(ShardState state) {
    List<SealedFisher> epochs = state.getEpochs();
    return epochs.isEmpty() ? 0 : epochs.get(epochs.size() - 1).getEpoch();
  }

  /** Sums of an epoch; empty when a shard does not have it any more. */
  private Optional<List<FisherSums>> sums(KnownModel model, int epoch) {
    Map<String, BigDecimal[]> sums = new LinkedHashMap<>();
    for (Slot slot : model.fisher().slots()) {
      Optional<SealedFisher> found = sealed(shard(model, slot.shard()), epoch);
      if (found.isEmpty()) {
        return Optional.empty();
      }
      SealedFisher sealed = found.get();
      BigDecimal[] sum =
          sums.computeIfAbsent(
              slot.shard().tensor().name(),
              name -> new BigDecimal[] {BigDecimal.ZERO, BigDecimal.ZERO});
      sum[0] = sum[0].add(new BigDecimal(sealed.getTotal()));
      sum[1] = sum[1].add(new BigDecimal(sealed.getSquares()));
    }
    List<FisherSums> result = new ArrayList<>();
    sums.forEach(
        (name, sum) -> result.add(new FisherSums(name, sum[0].toString(), sum[1].toString())));
    return Optional.of(result);
  }

  /** The shard's Fisher of an epoch. */
  static Optional<SealedFisher> sealed(ShardState state, int epoch) {
    return state.getEpochs().stream().filter(fisher -> fisher.getEpoch() == epoch).findFirst();
  }

  /**
   * Forgets a shard whose payload is lost, so that {@code status} shows it missing and a publisher
   * may send it again.
   */
  void lose(KnownModel model, Slot slot, boolean checkpoint) {
    ShardState state = shard(model, slot.shard());
    if (checkpoint
        ? state.getCheckpointOffset() < 0
        : state.getEpochs().isEmpty() && !hasOpen(state)) {
      return; // several of its batches were lost
    }
    LOG.error(
        "partition {}: {} {} of {} is gone from its topic; publish the model again",
        partition,
        checkpoint ? "checkpoint shard" : "Fisher of shard",
        slot.shard().id(),
        model.id());
    losses++;
    ModelCounts now = counts(model);
    if (checkpoint) {
      state.setCheckpointOffset(-1);
      now.setPresent(now.getPresent() - 1);
    } else {
      List<Integer> sealed = new ArrayList<>(now.getSealed());
      if (!state.getEpochs().isEmpty()) {
        // every shard but this one still has what the partition counted as complete
        for (int epoch = now.getEpoch(); epoch > 0; epoch--) {
          sealed.add(0, model.fisher().slots().size() - 1);
        }
        int newest = state.getEpochs().get(state.getEpochs().size() - 1).getEpoch();
        for (int epoch = now.getEpoch() + 1; epoch <= newest; epoch++) {
          sealed.set(epoch - 1, sealed.get(epoch - 1) - 1);
        }
        now.setEpoch(0);
        now.setSealed(sealed);
      }
      state.setEpochs(new ArrayList<>());
      clearOpen(model, slot.shard(), state);
      state.setApplied(new ArrayList<>());
      state.setSummed(new ArrayList<>());
    }
    put(model, slot.shard(), state);
    counts.put(model.id(), now);
    changed(model, true);
  }

  /** Whether any shard of a version has. */
  boolean hasOpen(KnownModel model) {
    return model.fisher().slots().stream().anyMatch(slot -> hasOpen(shard(model, slot.shard())));
  }

  /** Whether a shard has batches of an epoch that is not sealed. */
  static boolean hasOpen(ShardState state) {
    return state.getFolds() > 0 || !state.getOpen().isEmpty();
  }

  /** Forgets a shard of a version that is retired, given its state. */
  void remove(KnownModel model, Shard shard, ShardState state) {
    clearOpen(model, shard, state);
    shards.delete(key(model, shard));
  }

  /** Forgets a version whose shards are all removed. */
  void remove(KnownModel model) {
    manifests.delete(model.id());
    counts.delete(model.id());
    known.remove(model.id());
    changed.remove(model.id());
  }

  /** Key of a version's progress record. */
  static String progressKey(String model, long version, int partition) {
    return KnownModel.id(model, version) + "/" + partition;
  }
}
