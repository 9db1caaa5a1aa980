package io.fisherstreams.merge;

import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * What one partition of the merge stage has, on its state stores: the manifests of the versions of
 * which it has shards, a {@link ShardState} for each shard, and counts for each version. A
 * transaction commits or aborts all of it together.
 */
final class Ledger {
  private final KeyValueStore<String, ModelManifest> manifests;
  private final KeyValueStore<String, ShardState> shards;
  private final KeyValueStore<String, ModelCounts> counts;
  private final ModelCatalog catalog;
  private final int partition;
  private final int partitions;
  private final Map<ModelVersion, KnownModel> known = new HashMap<>();
  private final Set<ModelVersion> changed = new LinkedHashSet<>();
  private boolean completed;
  private long arrivals;
  private long losses;

  Ledger(
      KeyValueStore<String, ModelManifest> manifests,
      KeyValueStore<String, ShardState> shards,
      KeyValueStore<String, ModelCounts> counts,
      ModelCatalog catalog,
      int partition,
      int partitions) {
    this.manifests = manifests;
    this.shards = shards;
    this.counts = counts;
    this.catalog = catalog;
    this.partition = partition;
    this.partitions = partitions;
  }

  int partition() {
    return partition;
  }

  /** The model version that a record names; rejects one that is unknown, withdrawn or stale. */
  KnownModel admit(ModelVersion named) {
    Optional<ModelManifest> latest = catalog.latest(named);
    Optional<KnownModel> held = held(named);
    if (latest.isPresent() && latest.get().getVersion() < named.version() && held.isPresent()) {
      // The lower manifest arrived later, and the coordinator has rejected it as stale.
      return held.get();
    }
    ModelManifest current = ModelCatalog.requireCurrent(latest, named);
    if (held.isPresent()) {
      // The manifest of the version's first shard applies to all of them: they lie where it says.
      return held.get();
    }
    KnownModel admitted = new KnownModel(current, partition, partitions);
    manifests.put(admitted.id(), current);
    known.put(admitted.version(), admitted);
    return admitted;
  }

  /** A version of which this partition has shards. */
  Optional<KnownModel> held(ModelVersion version) {
    KnownModel held = known.get(version);
    if (held == null) {
      ModelManifest manifest = manifests.get(version.toString());
      if (manifest == null) {
        return Optional.empty();
      }
      held = new KnownModel(manifest, partition, partitions);
      known.put(version, held);
    }
    return Optional.of(held);
  }

  /** A shard of a version of which this partition has shards, with its state. */
  record HeldShard(KnownModel model, Slot slot, ShardState state) {}

  /** The shard that the key of a checkpoint shard names, accepted or not. */
  Optional<HeldShard> heldCheckpoint(ShardKey key) {
    return key.batch().isPresent()
        ? Optional.empty()
        : held(key.model())
            .flatMap(model -> held(model, model.checkpoint().slot(key.parameter(), key.shard())));
  }

  /** The shard that the key of a gradient batch names, with batches or without. */
  Optional<HeldShard> heldFisher(ShardKey key) {
    return held(key.model())
        .flatMap(model -> held(model, model.fisher().slot(key.parameter(), key.shard())));
  }

  private Optional<HeldShard> held(KnownModel model, Slot slot) {
    return slot == null
        ? Optional.empty()
        : Optional.of(new HeldShard(model, slot, shard(model, slot.shard())));
  }

  /** Whether the pool, as last read, has no version of a model any more. */
  boolean isWithdrawn(String model) {
    return catalog.latest(model).isEmpty();
  }

  /** Reads the manifests up to their topic's present end. */
  void syncCatalog() {
    catalog.sync();
  }

  /** Every version of which this partition has shards. */
  List<ModelVersion> heldVersions() {
    List<ModelVersion> versions = new ArrayList<>();
    try (KeyValueIterator<String, ModelManifest> all = manifests.all()) {
      all.forEachRemaining(
          entry ->
              versions.add(new ModelVersion(entry.value.getModel(), entry.value.getVersion())));
    }
    return versions;
  }

  /** Every version of a model of which this partition has shards. */
  List<ModelVersion> heldVersions(String model) {
    List<ModelVersion> versions = new ArrayList<>();
    try (KeyValueIterator<String, ModelManifest> all =
        manifests.range(model + "@", model + "A")) { // '@' + 1
      while (all.hasNext()) {
        ModelManifest manifest = all.next().value;
        if (manifest.getModel().equals(model)) {
          versions.add(new ModelVersion(model, manifest.getVersion()));
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

  /** The shard's state; an empty one when nothing of it has arrived yet. */
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

  /** How much of a version this partition has. */
  ModelCounts counts(KnownModel model) {
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
    int index = epoch - now.getEpoch() - 1;
    while (sealed.size() <= index) {
      sealed.add(0);
    }
    sealed.set(index, sealed.get(index) + 1);
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

  /** Whether this partition has everything of a version that a plan needs. */
  private static boolean canBeMerged(KnownModel model, ModelCounts now) {
    return now.getPresent() == model.checkpoint().slots().size()
        && (now.getEpoch() > 0 || model.fisher().slots().isEmpty());
  }

  private void changed(KnownModel model, boolean step) {
    changed.add(model.version());
    completed |= step;
  }

  /**
   * Marks every version as changed that cannot be merged yet. Their reports are delayed, so the
   * instance that had the partition before may have owed some. Of a version that can be merged it
   * owed none: that report goes with the change itself.
   */
  void markIncomplete() {
    for (ModelVersion version : heldVersions()) {
      ModelCounts now = counts.get(version.toString());
      if (now != null && now.getEpoch() > 0) {
        continue; // its manifest, which may be large, is not looked at
      }
      held(version)
          .filter(model -> !canBeMerged(model, counts(model)))
          .ifPresent(model -> changed(model, false));
    }
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
   * Whether a model has reached, since the last call of {@link #takeChanged}, a state for which the
   * coordinator waits.
   */
  boolean hasCompleted() {
    return completed;
  }

  /** The versions whose state has changed since the last call, in the order of their changes. */
  List<KnownModel> takeChanged() {
    List<KnownModel> models = new ArrayList<>();
    for (ModelVersion version : changed) {
      KnownModel model = known.get(version);
      if (model != null) {
        models.add(model);
      }
    }
    changed.clear();
    completed = false;
    return models;
  }

  /** Counts one checkpoint shard less. */
  void countLostCheckpoint(KnownModel model) {
    ModelCounts now = counts(model);
    now.setPresent(now.getPresent() - 1);
    lost(model, now);
  }

  /**
   * Counts one shard less that has a Fisher.
   *
   * @param newest the last epoch that it had sealed, 0 for none
   */
  void countLostFisher(KnownModel model, int newest) {
    ModelCounts now = counts(model);
    if (newest > 0) {
      List<Integer> sealed = new ArrayList<>(now.getSealed());
      // Every other shard still has the epochs that the partition counted as complete.
      for (int epoch = now.getEpoch(); epoch > 0; epoch--) {
        sealed.add(0, model.fisher().slots().size() - 1);
      }
      for (int epoch = now.getEpoch() + 1; epoch <= newest; epoch++) {
        sealed.set(epoch - 1, sealed.get(epoch - 1) - 1);
      }
      now.setEpoch(0);
      now.setSealed(sealed);
    }
    lost(model, now);
  }

  private void lost(KnownModel model, ModelCounts now) {
    losses++;
    counts.put(model.id(), now);
    changed(model, true);
  }

  /** Removes the state of a shard whose version is retired. */
  void remove(KnownModel model, Shard shard) {
    shards.delete(key(model, shard));
  }

  /** Removes a version whose shards are all removed. */
  void remove(KnownModel model) {
    manifests.delete(model.id());
    counts.delete(model.id());
    known.remove(model.version());
    changed.remove(model.version());
  }
}
