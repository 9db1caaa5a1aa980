package io.fisherstreams.coordinator;

import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.coordinator.state.RetiredVersion;
import io.fisherstreams.record.RetiredModel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The versions that no later plan uses and that partitions may still have. Each is stored when it
 * is retired, listed in a plan, and forgotten when every partition has reported that it removed it.
 */
final class Retirements {
  /** Models on one list, so that a plan fits one record however many are withdrawn. */
  static final int MAX_LISTED = 1_000;

  private final KeyValueStore<String, RetiredVersion> store;
  private final CoordinatorState state;
  private final int partitions;
  private final SortedMap<String, RetiredVersion> versions = new TreeMap<>();
  private int listed;

  /**
   * The retired versions as they were stored.
   *
   * @param state has the number of the newest list, and what the partitions reported
   */
  Retirements(KeyValueStore<String, RetiredVersion> store, CoordinatorState state, int partitions) {
    this.store = store;
    this.state = state;
    this.partitions = partitions;
    state.setRetirements(new HashMap<>(state.getRetirements()));
    try (KeyValueIterator<String, RetiredVersion> all = store.all()) {
      all.forEachRemaining(entry -> keep(entry.value));
    }
  }

  private void keep(RetiredVersion version) {
    RetiredVersion previous = versions.put(version.getModel(), version);
    listed += (isListed(version) ? 1 : 0) - (previous != null && isListed(previous) ? 1 : 0);
  }

  /** By model: the highest version that is retired. */
  Map<String, Long> versions() {
    Map<String, Long> highest = new HashMap<>();
    versions.forEach((model, version) -> highest.put(model, version.getVersion()));
    return highest;
  }

  /** Stores that a model's versions up to one are retired. */
  void add(String model, long version) {
    RetiredVersion known = versions.get(model);
    if (known == null || known.getVersion() < version) {
      put(new RetiredVersion(model, version, 0L));
    }
  }

  private void put(RetiredVersion version) {
    keep(version);
    store.put(version.getModel(), version);
  }

  /** Whether a version waits for a list that has room for it. */
  boolean isWaiting() {
    return listed < versions.size() && listed < MAX_LISTED;
  }

  private static boolean isListed(RetiredVersion version) {
    return version.getRetirement() > 0;
  }

  /** The models to list in a plan, by name: those that wait are added to the listed ones. */
  List<RetiredModel> list() {
    if (isWaiting()) {
      state.setRetirement(state.getRetirement() + 1);
      List<RetiredVersion> waiting =
          versions.values().stream().filter(version -> !isListed(version)).toList();
      for (RetiredVersion version :
          waiting.subList(0, Math.min(waiting.size(), MAX_LISTED - listed))) {
        put(new RetiredVersion(version.getModel(), version.getVersion(), state.getRetirement()));
      }
    }
    return versions.values().stream()
        .filter(Retirements::isListed)
        .map(version -> new RetiredModel(version.getModel(), version.getVersion()))
        .toList();
  }

  /** Number of the newest list. */
  long number() {
    return state.getRetirement();
  }

  /**
   * Takes in that a partition has removed all models of a list; forgets those that every partition
   * has removed.
   *
   * @return the models that are forgotten
   */
  List<String> removed(int partition, long retirement) {
    state.getRetirements().merge(Integer.toString(partition), retirement, Math::max);
    if (state.getRetirements().size() < partitions) {
      return List.of();
    }
    long everywhere =
        state.getRetirements().values().stream().mapToLong(Long::longValue).min().orElseThrow();
    List<String> forgotten = new ArrayList<>();
    for (RetiredVersion version : versions.values()) {
      if (isListed(version) && version.getRetirement() <= everywhere) {
        forgotten.add(version.getModel());
      }
    }
    for (String model : forgotten) {
      versions.remove(model);
      listed--;
      store.delete(model);
    }
    return forgotten;
  }
}
