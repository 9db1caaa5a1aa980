package io.fisherstreams.merge;

import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.merge.state.KeptSet;
import io.fisherstreams.record.ModelVersion;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** The sets of models that the blocks of one partition's kept sums name, by their ids. */
final class KeptSets {
  // Plans that newer ones overtook leave a set each.
  private static final int MAX_SETS = 6;

  private final KeyValueStore<String, KeptSet> store;

  KeptSets(KeyValueStore<String, KeptSet> store) {
    this.store = store;
  }

  Map<UUID, KeptSet> all() {
    Map<UUID, KeptSet> sets = new TreeMap<>();
    try (KeyValueIterator<String, KeptSet> all = store.all()) {
      all.forEachRemaining(entry -> sets.put(UUID.fromString(entry.key), entry.value));
    }
    return sets;
  }

  Optional<KeptSet> get(UUID id) {
    return Optional.ofNullable(store.get(id.toString()));
  }

  /** Stores a set. */
  void put(UUID id, KeptSet set) {
    store.put(id.toString(), set);
  }

  /** The id of a set with the same models and file; a new one if the store has none. */
  UUID idOf(KeptSet set) {
    return find(set).orElseGet(() -> add(set));
  }

  /** The same for the set of a plan, for which the oldest sets make room. */
  UUID idOfPlan(KeptSet set) {
    return find(set)
        .orElseGet(
            () -> {
              makeRoom();
              return add(set);
            });
  }

  private Optional<UUID> find(KeptSet set) {
    return all().entrySet().stream()
        .filter(known -> known.getValue().getFile().equals(set.getFile()))
        .filter(known -> known.getValue().getModels().equals(set.getModels()))
        .map(Map.Entry::getKey)
        .findFirst();
  }

  private UUID add(KeptSet set) {
    UUID id = UUID.randomUUID();
    put(id, set);
    return id;
  }

  private void makeRoom() {
    Map<UUID, KeptSet> sets = all();
    while (sets.size() >= MAX_SETS) {
      UUID oldest =
          sets.entrySet().stream()
              .min(Comparator.comparingLong(entry -> entry.getValue().getRelease()))
              .orElseThrow()
              .getKey();
      sets.remove(oldest);
      store.delete(oldest.toString());
    }
  }

  /** Removes all sets but some. */
  void keepOnly(Collection<UUID> ids) {
    for (UUID id : all().keySet()) {
      if (!ids.contains(id)) {
        store.delete(id.toString());
      }
    }
  }

  /** Whether a set has a model version. */
  boolean hold(ModelVersion version) {
    return all().values().stream()
        .flatMap(set -> set.getModels().stream())
        .map(SetDifference::version)
        .anyMatch(version::equals);
  }

  /** The models that all blocks of the partition held when a plan was last carried out. */
  Optional<KeptSet> whole() {
    return all().values().stream().filter(KeptSet::getWhole).findFirst();
  }

  /** A copy of a set with other models, as a step from it to a plan's. */
  static KeptSet partOf(KeptSet plan, Collection<KeptModel> models) {
    return KeptSet.newBuilder(plan).setWhole(false).setModels(models.stream().toList()).build();
  }
}
