package io.fisherstreams.merge;

import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a partition reports on a model version: how much of it has arrived, which shards are
 * missing, and, once it can be merged, the exact sums of its Fisher.
 */
final class PartitionReport {
  private static final int MAX_MISSING_NAMES = 20;

  private static final int MAX_UTF8_BYTES = 3; // of a char
  private static final int MAX_LENGTH_BYTES = 5; // Avro's, of a text's length
  // 309 digits before the point and 1,074 after it hold each float64 number, so a sum of an int's
  // worth of them needs ten digits more.
  private static final int MAX_SUM_BYTES = 1_400;
  private static final int MAX_PART_BYTES = 1 << 20;

  private final Ledger ledger;

  PartitionReport(Ledger ledger) {
    this.ledger = ledger;
  }

  /**
   * The report on a version at this moment, in parts that each fit a record whatever the sums are.
   */
  List<ModelProgress> of(KnownModel model) {
    ModelProgress whole = whole(model);
    List<FisherSums> sums = whole.getSums();
    if (sums.isEmpty()) {
      return List.of(whole);
    }
    int parts = parts(model);
    List<ModelProgress> report = new ArrayList<>(parts);
    int first = 0;
    for (int part = 0; part < parts; part++) {
      int end = first;
      for (int bytes = 0; end < sums.size(); end++) {
        bytes += maxBytes(sums.get(end).getParameter());
        if (bytes > MAX_PART_BYTES) {
          break;
        }
      }
      report.add(
          ModelProgress.newBuilder(whole)
              .setSums(new ArrayList<>(sums.subList(first, end)))
              .setPart(part)
              .setParts(parts)
              .build());
      first = end;
    }
    return report;
  }

  /** Records of a complete report on a version; each lists so many parameters as surely fit. */
  static int parts(KnownModel model) {
    int parts = 1;
    int bytes = 0;
    String previous = null;
    for (Slot slot : model.fisher().slots()) {
      String parameter = slot.shard().tensor().name();
      if (!parameter.equals(previous)) {
        previous = parameter;
        bytes += maxBytes(parameter);
        if (bytes > MAX_PART_BYTES) {
          parts++;
          bytes = maxBytes(parameter);
        }
      }
    }
    return parts;
  }

  private static int maxBytes(String parameter) {
    return parameter.length() * MAX_UTF8_BYTES + 2 * MAX_SUM_BYTES + 3 * MAX_LENGTH_BYTES;
  }

  private ModelProgress whole(KnownModel model) {
    ModelCounts now = ledger.counts(model);
    int expected = model.checkpoint().slots().size();
    int fishers = model.fisher().slots().size();
    int epoch = now.getEpoch();
    int sealed = now.getSealed().isEmpty() ? 0 : now.getSealed().get(0);
    List<String> missing = List.of();
    Optional<List<FisherSums>> sums = Optional.empty();
    if (now.getPresent() < expected) {
      missing = withoutCheckpoint(model);
    } else if (epoch == 0 && fishers > 0) {
      missing = belowEpoch(model, 1, MAX_MISSING_NAMES);
    } else {
      sums = sums(model, epoch);
      if (sums.isEmpty()) {
        // A shard that has lost its Fisher seals again from the first epoch on, which the others no
        // longer have. Nothing can be merged until it has caught up.
        missing = belowEpoch(model, newestEpoch(model), Integer.MAX_VALUE);
        epoch = 0;
        sealed = fishers - missing.size();
      }
    }
    return new ModelProgress(
        model.version().model(),
        model.version().version(),
        expected,
        now.getPresent(),
        fishers,
        epoch,
        sealed,
        missing.subList(0, Math.min(missing.size(), MAX_MISSING_NAMES)),
        sums.orElse(List.of()),
        0,
        1);
  }

  private List<String> withoutCheckpoint(KnownModel model) {
    return model.checkpoint().slots().stream()
        .map(Slot::shard)
        .filter(shard -> ledger.shard(model, shard).getCheckpointOffset() < 0)
        .map(Shard::id)
        .limit(MAX_MISSING_NAMES) // of a huge model, most are missing: it is not searched through
        .toList();
  }

  private List<String> belowEpoch(KnownModel model, int epoch, int max) {
    return model.fisher().slots().stream()
        .map(Slot::shard)
        .filter(shard -> newestEpoch(ledger.shard(model, shard)) < epoch)
        .map(Shard::id)
        .limit(max)
        .toList();
  }

  private int newestEpoch(KnownModel model) {
    return model.fisher().slots().stream()
        .mapToInt(slot -> newestEpoch(ledger.shard(model, slot.shard())))
        .max()
        .orElse(0);
  }

  private static int newestEpoch(ShardState state) {
    return FisherShard.newest(state).map(SealedFisher::getEpoch).orElse(0);
  }

  /** The sums of an epoch for each parameter; empty when a shard no longer has that epoch. */
  private Optional<List<FisherSums>> sums(KnownModel model, int epoch) {
    Map<String, BigDecimal[]> sums = new LinkedHashMap<>();
    for (Slot slot : model.fisher().slots()) {
      Optional<SealedFisher> found = FisherShard.sealed(ledger.shard(model, slot.shard()), epoch);
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
}
