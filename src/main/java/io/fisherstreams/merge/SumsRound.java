package io.fisherstreams.merge;

import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.payload.SumsFile;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/**
 * One of several rounds in which kept sums come to hold a plan's models: some models, whose
 * payloads are available, are taken out and added in all shards that need them. Then their payloads
 * leave the disk again. Nothing of it is sent, and where it is, is in the blocks themselves.
 */
final class SumsRound {
  private final PartitionContext partition;
  private final ResolvedPlan plan;
  private final ShardInputs inputs;
  private final List<PlanSources.Source> sources;
  private final Set<ModelVersion> versions;
  private final BitSet shards = new BitSet();
  private final Map<Optional<UUID>, UUID> targets = new HashMap<>();
  private int next;

  /**
   * A round that has not started. The sets to which it leads are stored now, so that they are
   * committed before a block names them.
   *
   * @param sources the models
   * @param before the sets that blocks hold now
   */
  SumsRound(
      PartitionContext partition,
      ResolvedPlan plan,
      List<PlanSources.Source> sources,
      Set<UUID> before) {
    this.partition = partition;
    this.plan = plan;
    this.sources = sources;
    inputs = new ShardInputs(partition, plan);
    versions = sources.stream().map(source -> source.model().version()).collect(Collectors.toSet());
    sources.forEach(source -> shards.or(source.slots()));
    before.forEach(set -> target(Optional.of(set)));
    target(Optional.empty());
  }

  private UUID target(Optional<UUID> before) {
    return targets.computeIfAbsent(before, set -> partition.kept().partway(set, versions));
  }

  /**
   * Continues until {@code isOver}.
   *
   * @return whether the round has ended
   */
  boolean step(ShardMerge arithmetic, ShardSums sums, BooleanSupplier isOver) {
    List<Slot> slots = plan.base().checkpoint().slots();
    while ((next = shards.nextSetBit(next)) >= 0) {
      Slot slot = slots.get(next++);
      arithmetic.update(sums, inputs.base(slot), new Part(slot), slot.shard().elements());
      if (isOver.getAsBoolean() && shards.nextSetBit(next) >= 0) {
        return false;
      }
    }
    for (PlanSources.Source source : sources) {
      partition.payloads().drop(source.model().version(), PayloadName.CHECKPOINT);
      partition.payloads().drop(source.model().version(), PayloadName.fisher(source.epoch()));
    }
    return true;
  }

  /** One shard. */
  private final class Part implements KeptBlocks {
    private final Slot slot;
    private final List<Participant> members;
    private UUID target;

    Part(Slot slot) {
      this.slot = slot;
      members = plan.members(slot.shard());
    }

    @Override
    public Optional<Change> load(int first, ByteBuffer sums) {
      Optional<SumsFile.Header> header = partition.kept().header(slot, first);
      if (header.isPresent()) {
        SetDifference all = partition.kept().difference(header.get().set()).orElseThrow();
        SetDifference part = all.only(versions);
        if (all.gone().stream().allMatch(gone -> inputs.canBeRead(gone, slot))
            && part.gone().stream().allMatch(gone -> inputs.canTakeOut(gone, slot))
            && partition.kept().read(slot, first, sums)) {
          target = target(Optional.of(header.get().set()));
          return Optional.of(
              Change.of(header.get().outside(), inputs.toTakeOut(part.gone(), slot), added(part)));
        }
      }
      target = target(Optional.empty());
      return Optional.of(Change.anew(added(partition.kept().fromNothing().only(versions))));
    }

    private List<ShardInput> added(SetDifference part) {
      return inputs.toAdd(part.added().keySet(), members, slot);
    }

    @Override
    public void keep(int first, ByteBuffer sums, long outside, boolean isPrecise) {
      // Precise or not is a matter of all models.
      partition.kept().write(slot, first, sums, new SumsFile.Header(target, outside, true));
    }
  }
}
