package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Sums that stay in memory while the same models are merged again and again with other weights. A
 * merge in which a few weights changed reads those models alone. The bits of the sums depend only
 * on the models and weights that are in them, so the result is that of a merge from the start. With
 * fewer models than {@link BinnedMerge#MIN_MODELS}, and beyond the given memory, all models are
 * read each time. Threads may merge different shards at the same time.
 */
public final class RepeatedSums {
  /** A block's sums, and the models as they are in them. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Kept(byte[] sums, long outside, List<ShardInput> inputs) {}

  private record Place(String shard, int first) {}

  private final Map<Place, Kept> kept = new ConcurrentHashMap<>();
  private final AtomicLong room;
  private String terms = "";

  /**
   * Keeps nothing yet.
   *
   * @param bytes that are kept at most
   */
  public RepeatedSums(long bytes) {
    room = new AtomicLong(bytes);
  }

  /**
   * Begins a merge. Sums with other terms are forgotten.
   *
   * @param newTerms what a model's terms depend on, beside its weight and its unit
   */
  public void begin(String newTerms) {
    if (!terms.equals(newTerms)) {
      kept.values().forEach(block -> room.addAndGet(block.sums.length));
      kept.clear();
      terms = newTerms;
    }
  }

  /**
   * Merges a shard as {@link ShardMerge#merge(ShardSums, Optional, List, int, DType)} does.
   *
   * @param inputs the same models in each merge
   * @return how many of its entries have no weight
   */
  public long merge(
      ShardMerge arithmetic,
      ShardSums sums,
      Shard shard,
      Optional<? extends ShardElements> base,
      List<ShardInput> inputs,
      DType dtype) {
    return inputs.size() < BinnedMerge.MIN_MODELS
        ? arithmetic.merge(sums, base, inputs, shard.elements(), dtype)
        : arithmetic.merge(sums, base, new Models(shard, inputs), shard.elements(), dtype);
  }

  /** One shard's models in this merge. */
  private final class Models extends ListedModels {
    private final Shard shard;

    Models(Shard shard, List<ShardInput> inputs) {
      super(inputs);
      this.shard = shard;
    }

    @Override
    public Optional<Change> load(int first, ByteBuffer sums) {
      Kept before = kept.get(new Place(shard.id(), first));
      List<ShardInput> gone = new ArrayList<>();
      List<ShardInput> added = new ArrayList<>();
      if (before != null) {
        for (int i = 0; i < inputs.size(); i++) {
          if (!isSame(before.inputs.get(i), inputs.get(i))) {
            gone.add(again(inputs.get(i), before.inputs.get(i)));
            added.add(inputs.get(i));
          }
        }
      }
      // Taking a model out costs as much as adding it.
      if (before == null || 2 * added.size() > inputs.size()) {
        return Optional.of(Change.anew(inputs));
      }
      sums.put(0, before.sums);
      return Optional.of(Change.of(before.outside, gone, added));
    }

    @Override
    public void keep(int first, ByteBuffer sums, long outside, boolean isPrecise) {
      Place place = new Place(shard.id(), first);
      Kept before = kept.get(place);
      if (before == null && room.addAndGet(-sums.limit()) < 0) {
        room.addAndGet(sums.limit());
        return;
      }
      byte[] bytes = before == null ? new byte[sums.limit()] : before.sums;
      sums.get(0, bytes);
      kept.put(place, new Kept(bytes, outside, inputs));
    }
  }

  private static boolean isSame(ShardInput before, ShardInput now) {
    return before.weight() == now.weight() && unit(before) == unit(now);
  }

  private static double unit(ShardInput input) {
    return input.fisher().map(ShardInput.Fisher::unit).orElse(1.0);
  }

  /** A model with an earlier merge's weight and unit; the earlier merge's files may be closed. */
  private static ShardInput again(ShardInput now, ShardInput before) {
    return new ShardInput(
        now.checkpoint(),
        now.fisher()
            .map(fisher -> new ShardInput.Fisher(fisher.entries(), fisher.divisor(), unit(before))),
        before.weight());
  }
}
