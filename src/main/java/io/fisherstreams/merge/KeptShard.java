package io.fisherstreams.merge;

import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.SumsFile;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** One shard of a plan whose sums are kept. */
final class KeptShard implements ShardModels {
  private final KeptSums kept;
  private final ShardInputs inputs;
  private final Slot slot;
  private final List<Participant> members;
  private final boolean isPrepared;
  private final double weights;
  private List<ShardInput> all;
  // Nearly always all blocks of a shard hold the same set, so the ledger is asked once.
  private UUID last;
  private boolean canTakeOut;
  private List<ShardInput> gone;
  private List<ShardInput> added;

  /**
   * A shard.
   *
   * @param members the models that are merged in it, in the order of their names
   * @param isPrepared whether the payloads of all members are available
   */
  KeptShard(
      KeptSums kept, ShardInputs inputs, Slot slot, List<Participant> members, boolean isPrepared) {
    this.kept = kept;
    this.inputs = inputs;
    this.slot = slot;
    this.members = members;
    this.isPrepared = isPrepared;
    weights = inputs.weights(members, slot.shard());
  }

  @Override
  public int count() {
    return members.size();
  }

  @Override
  public double weights() {
    return weights;
  }

  @Override
  public Optional<List<ShardInput>> all() {
    if (!isPrepared) {
      return Optional.empty();
    }
    if (all == null) {
      all = inputs.of(members, slot);
    }
    return Optional.of(all);
  }

  @Override
  public Optional<Change> load(int first, ByteBuffer sums) {
    return kept.header(slot, first)
        .flatMap(header -> change(header, first, sums))
        .or(() -> all().map(Change::anew));
  }

  private Optional<Change> change(SumsFile.Header header, int first, ByteBuffer sums) {
    SetDifference difference = kept.difference(header.set()).orElseThrow();
    if (difference.isNone() && !header.isPrecise()) {
      return Optional.of(Change.IMPRECISE);
    }
    find(header.set(), difference);
    if (!canTakeOut || !kept.read(slot, first, sums)) {
      return Optional.empty();
    }
    return Optional.of(Change.of(header.outside(), gone, added));
  }

  private void find(UUID set, SetDifference difference) {
    if (set.equals(last)) {
      return;
    }
    last = set;
    canTakeOut = difference.gone().stream().allMatch(model -> inputs.canTakeOut(model, slot));
    if (!canTakeOut) {
      return;
    }
    gone = inputs.toTakeOut(difference.gone(), slot);
    added = inputs.toAdd(difference.added().keySet(), members, slot);
  }

  @Override
  public void keep(int first, ByteBuffer sums, long outside, boolean isPrecise) {
    kept.write(slot, first, sums, outside, isPrecise);
  }
}
