package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.MergeFile.Model;
import io.fisherstreams.fisher.FisherMoments;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.oneshot.Preflight.FisherReport;
import io.fisherstreams.oneshot.Preflight.ReadListener;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;

/**
 * Reads all values of a merge's files, shard by shard, checks them and sums the Fishers. Memory
 * holds one shard a thread.
 */
final class ValueReader implements AutoCloseable {
  private final OrderedTasks tasks;
  private final ReadListener listener;
  private final long total;
  private long done;

  /**
   * Reads nothing yet.
   *
   * @param total bytes to read in all
   */
  ValueReader(int threads, ReadListener listener, long total) {
    this.tasks = new OrderedTasks(threads);
    this.listener = listener;
    this.total = total;
  }

  private synchronized void read(long bytes) {
    done += bytes;
    listener.read(done, total);
  }

  /** Rejects a base with a NaN in any tensor, or an infinity in a merged one. */
  void checkBase(Path path, MergeSet mergeSet) {
    try (Checkpoint base = Checkpoint.open(path)) {
      List<TensorInfo> tensors = ModelCheck.floating(base);
      tasks.forEach(
          tensors.size(),
          () ->
              index -> {
                ModelCheck.requireUsable(base, tensors.get(index), mergeSet);
                read(tensors.get(index).bytes());
              });
    }
  }

  /**
   * Rejects a model with a merged parameter that is not finite.
   *
   * @param own the merged parameters that are its own
   */
  void checkParameters(Model model, BaseModel base, SortedMap<String, TensorInfo> own) {
    try (Checkpoint checkpoint = base.open(model.checkpoint())) {
      List<TensorInfo> tensors = tensors(checkpoint, own);
      tasks.forEach(
          tensors.size(),
          () ->
              index -> {
                for (Shard shard : shards(tensors.get(index))) {
                  ModelCheck.requireFinite("model '" + model.name() + "'", checkpoint, shard);
                  read(shard.bytes());
                }
              });
    }
  }

  /**
   * Sums a Fisher; rejects entries that are negative, not finite or beyond float32.
   *
   * @param own the merged parameters that are the model's own
   */
  FisherReport sumFisher(Model model, Path path, SortedMap<String, TensorInfo> own) {
    try (Checkpoint fisher = Checkpoint.openAs(path, own.keySet())) {
      List<TensorInfo> tensors = tensors(fisher, own);
      BigDecimal[] totals = new BigDecimal[tensors.size()];
      BigDecimal[] squares = new BigDecimal[tensors.size()];
      tasks.forEach(
          tensors.size(),
          () -> {
            float[] entries = new float[Shard.ELEMENTS];
            return index -> {
              BigDecimal total = BigDecimal.ZERO;
              BigDecimal square = BigDecimal.ZERO;
              for (Shard shard : shards(tensors.get(index))) {
                FisherMoments moments = moments(model, fisher, shard, entries);
                total = total.add(new BigDecimal(moments.total()));
                square = square.add(new BigDecimal(moments.squares()));
                read(shard.bytes());
              }
              totals[index] = total;
              squares[index] = square;
            };
          });
      Map<String, BigDecimal> byParameter = new HashMap<>();
      for (int i = 0; i < totals.length; i++) {
        byParameter.put(tensors.get(i).name(), totals[i]);
      }
      return new FisherReport(sum(totals), sum(squares), ModelCheck.examples(fisher), byParameter);
    }
  }

  private static FisherMoments moments(
      Model model, Checkpoint fisher, Shard shard, float[] entries) {
    DType dtype = shard.tensor().dtype();
    ByteBuffer bytes = slice(fisher, shard);
    long at = FloatScan.firstNegativeOrNotFinite(dtype, bytes, shard.elements());
    // The pool carries Fishers as float32, whatever type their file has.
    FloatCodec.toFloat(dtype, bytes, 0, entries, 0, shard.elements());
    for (int i = 0; at < 0 && dtype == DType.F64 && i < shard.elements(); i++) {
      if (entries[i] == Float.POSITIVE_INFINITY) {
        at = i;
      }
    }
    if (at >= 0) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              ("Fisher of model '%s' (%s): tensor '%s' has %s at element %d, expected means of squares:"
                  + " finite, at least 0 and in float32's range"),
              model.name(),
              fisher.path(),
              shard.tensor().name(),
              FloatCodec.toDouble(dtype, bytes, (int) at),
              shard.firstElement() + at));
    }
    return FisherMoments.of(entries, shard.elements(), 1);
  }

  private static List<TensorInfo> tensors(Checkpoint file, SortedMap<String, TensorInfo> own) {
    // The headers were checked, but the file was closed since.
    ModelCheck.requireMerged("changed while it was checked:", file, own.values());
    return own.keySet().stream().map(name -> file.tensors().get(name)).toList();
  }

  private static List<Shard> shards(TensorInfo tensor) {
    List<Shard> shards = new ArrayList<>();
    for (int index = 0; index < Shard.count(tensor); index++) {
      shards.add(new Shard(tensor, index));
    }
    return shards;
  }

  private static ByteBuffer slice(Checkpoint file, Shard shard) {
    return file.slice(shard.tensor().name(), shard.firstElement(), shard.elements());
  }

  private static double sum(BigDecimal[] terms) {
    BigDecimal sum = BigDecimal.ZERO;
    for (BigDecimal term : terms) {
      sum = sum.add(term);
    }
    return sum.doubleValue();
  }

  @Override
  public void close() {
    tasks.close();
  }
}
