package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which models' payloads the shards of a plan need, in the order in which they are in the topics.
 * With {@link LocalPayloads#RECENT} at most {@link #MAX_LOCAL} models are read back at a time: the
 * sums take these in, and then the others follow.
 */
final class PlanSources {
  private static final Logger LOG = LoggerFactory.getLogger(PlanSources.class);

  /** So many models must have room in any case, because no sums are kept of fewer. */
  static final int MAX_LOCAL = BinnedMerge.MIN_MODELS;

  private final PartitionContext partition;
  private final ResolvedPlan plan;
  private final Optional<KeptSums> kept;
  private final ShardInputs inputs;
  private final List<Slot> slots;
  private final Map<Name, BitSet> changes = new LinkedHashMap<>();
  private final BitSet anew = new BitSet();
  private final Set<UUID> sets = new LinkedHashSet<>();
  private Optional<SumsRound> round = Optional.empty();

  private record Name(ModelVersion version, int epoch) {}

  /**
   * Payloads of a model that some shards need.
   *
   * @param epoch of its Fisher
   * @param slots the shards, by their index among the base's
   * @param offset of the first one in the topic
   */
  record Source(KnownModel model, int epoch, BitSet slots, long offset) {}

  /**
   * Needs nothing yet.
   *
   * @param kept the sums, if they are used
   */
  PlanSources(PartitionContext partition, ResolvedPlan plan, Optional<KeptSums> kept) {
    this.partition = partition;
    this.plan = plan;
    this.kept = kept;
    inputs = new ShardInputs(partition, plan);
    slots = plan.base().checkpoint().slots();
  }

  /** Blocks name these sets. */
  void name(Set<UUID> named) {
    sets.addAll(named);
  }

  /** A shard whose sums change. */
  void change(int index, Shard shard, SetDifference change) {
    for (KeptModel gone : change.gone()) {
      inputs.owner(gone, shard).ifPresent(model -> need(model.version(), gone.getEpoch(), index));
    }
    for (Participant added : change.added().values()) {
      if (added.owner(shard).isPresent()) {
        need(added.version(), added.planned().getEpoch(), index);
      }
    }
  }

  private void need(ModelVersion version, int epoch, int index) {
    changes.computeIfAbsent(new Name(version, epoch), name -> new BitSet()).set(index);
  }

  /** A shard whose sums are built from nothing. */
  void anew(int index) {
    anew.set(index);
  }

  /**
   * All that is needed, or the first part of it.
   *
   * @param full the shards that need all models
   */
  List<Source> sources(BitSet full) {
    kept.filter(KeptSums::areKept).ifPresent(sums -> sums.keepOnly(sets));
    if (partition.local() == LocalPayloads.RECENT && kept.isPresent()) {
      List<Source> ofSums = sources(anew, changes);
      List<ModelVersion> away = away(ofSums);
      if (away.size() > MAX_LOCAL) {
        LOG.info(
            "partition {}: release {}: the sums take in {} of {} models that are not in local files",
            partition.ledger().partition(),
            plan.plan().getRelease(),
            MAX_LOCAL,
            away.size());
        Set<ModelVersion> first = new LinkedHashSet<>(away.subList(0, MAX_LOCAL));
        List<Source> part =
            ofSums.stream().filter(source -> first.contains(source.model().version())).toList();
        round = Optional.of(new SumsRound(partition, plan, part, sets));
        return part;
      }
    }
    return sources(full, changes);
  }

  /** The versions that are not in local files, or only in part. */
  private List<ModelVersion> away(List<Source> all) {
    return all.stream()
        .filter(source -> !isLocal(source))
        .map(source -> source.model().version())
        .distinct()
        .toList();
  }

  private boolean isLocal(Source source) {
    Shard last = slots.get(source.slots().length() - 1).shard();
    return inputs.isAvailable(source.model(), last, source.epoch());
  }

  private List<Source> sources(BitSet all, Map<Name, BitSet> some) {
    Map<Name, BitSet> wanted = new LinkedHashMap<>();
    some.forEach((name, indexes) -> wanted.put(name, (BitSet) indexes.clone()));
    if (!all.isEmpty()) {
      for (Participant participant : plan.participants()) {
        participant
            .held()
            .ifPresent(
                model ->
                    wanted
                        .computeIfAbsent(
                            new Name(participant.version(), participant.planned().getEpoch()),
                            name -> new BitSet())
                        .or(merged(model, all)));
      }
    }
    List<Source> sources = new ArrayList<>();
    wanted.forEach(
        (name, indexes) -> {
          if (!indexes.isEmpty()) {
            KnownModel model = partition.ledger().held(name.version()).orElseThrow();
            sources.add(new Source(model, name.epoch(), indexes, offset(model, indexes)));
          }
        });
    sources.sort(Comparator.comparingLong(Source::offset));
    return sources;
  }

  /** The shards of some that a model has. */
  private BitSet merged(KnownModel model, BitSet some) {
    BitSet own = new BitSet();
    some.stream().filter(index -> model.owns(slots.get(index).shard())).forEach(own::set);
    return own;
  }

  private long offset(KnownModel model, BitSet indexes) {
    Shard shard = slots.get(indexes.nextSetBit(0)).shard();
    return partition.ledger().shard(model, shard).getCheckpointOffset();
  }

  /** The part of the models that {@link #sources} has chosen, if it is not all of them. */
  Optional<SumsRound> round() {
    return round;
  }
}
