package io.fisherstreams.oneshot;

import com.google.common.util.concurrent.Uninterruptibles;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.config.MergeFile.Model;
import io.fisherstreams.fisher.FisherMoments;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.fisher.Shares.Takeover;
import io.fisherstreams.fisher.Shares.Weight;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Checks everything that a merge needs of its files before anything is published, and sums the
 * Fishers on the way. All values of all merged parameters are read, shard by shard; memory holds
 * one shard per thread, whatever the size and number of the models.
 *
 * <p>Refused, with {@link InvalidInput} naming file, tensor, expected and found: a base without
 * anything to merge, or with a NaN in any tensor; a merged parameter that a model or a Fisher
 * lacks, or has in another shape ({@code [1]} is not {@code []}) or in a type that is not floating;
 * a parameter that is not finite (an infinity too: merged with anything finite it stays infinite,
 * and with ε = 0 becomes NaN; a constant mask belongs among the excluded patterns); a Fisher entry
 * that is negative, not finite or beyond float32; weights that are all zero. Tensors that only a
 * model has, such as its own head, are not looked at.
 */
public final class Preflight {
  private Preflight() {}

  /** Is told how far the reading has come; one call at a time, from any thread. */
  public interface Progress {
    /**
     * Some more was read.
     *
     * @param done bytes read so far
     * @param total bytes to read in all
     */
    void read(long done, long total);
  }

  /**
   * What was found.
   *
   * @param mergeSet the merged parameters, never none
   * @param elements J, their elements together
   * @param models every model by its name
   * @param takeovers the models that ε makes take over the merge; none when a Fisher is still to be
   *     estimated, or without normalisation
   */
  public record Report(
      MergeSet mergeSet,
      long elements,
      SortedMap<String, ModelReport> models,
      List<Takeover> takeovers) {}

  /**
   * What was found of a model.
   *
   * @param coefficient λ
   * @param fisher its Fisher's sums; absent when it is to be estimated from examples
   */
  public record ModelReport(double coefficient, Optional<FisherReport> fisher) {}

  /**
   * Sums over the merged entries of a diagonal Fisher. Each shard is summed in float64 and the
   * shards' sums exactly, so the figures do not depend on threads or order.
   *
   * @param total ΣF
   * @param squares ΣF²
   * @param examples how many examples the Fisher stands for, if its file says so
   */
  public record FisherReport(double total, double squares, OptionalLong examples) {
    /** N = √ΣF². */
    public double norm() {
      return Math.sqrt(squares);
    }
  }

  /**
   * Checks all files of a merge.
   *
   * @param threads how many threads read, at least 1
   * @throws InvalidInput for the first fault, in the order of the models in the file; the order of
   *     faults within a model does not depend on the threads
   */
  public static Report check(MergeFile merge, int threads, Progress progress) {
    SortedMap<String, TensorInfo> merged;
    try (Checkpoint base = Checkpoint.open(merge.base())) {
      merged = mergedParameters(base, merge.method().excludeParamNamesRegex());
    }
    MergeSet mergeSet = MergeSet.of(merged.values(), List.of());
    long elements = merged.values().stream().mapToLong(TensorInfo::elements).sum();
    // All headers before any data: a missing file of the last model need not wait for the first's.
    long bytes = 0;
    for (Model model : merge.models()) {
      bytes += bytesToRead(model, merged);
    }
    try (Checkpoint base = Checkpoint.open(merge.base())) {
      bytes += ModelCheck.floating(base).stream().mapToLong(TensorInfo::bytes).sum();
    }
    SortedMap<String, ModelReport> models = new TreeMap<>();
    Meter meter = new Meter(progress, bytes);
    ExecutorService readers = Executors.newFixedThreadPool(threads);
    try {
      readBase(merge.base(), readers, threads, meter);
      for (Model model : merge.models()) {
        readParameters(model, merged, readers, threads, meter);
        models.put(
            model.name(),
            new ModelReport(
                merge.coefficient(model),
                model.fisher().map(f -> readFisher(model, f, merged, readers, threads, meter))));
      }
    } finally {
      readers.shutdown();
    }
    return new Report(
        mergeSet,
        elements,
        Collections.unmodifiableSortedMap(models),
        takeovers(merge, models, elements));
  }

  private static SortedMap<String, TensorInfo> mergedParameters(
      Checkpoint base, List<String> patterns) {
    MergeSet mergeSet = MergeSet.of(base.tensors().values(), patterns);
    if (mergeSet.names().isEmpty()) {
      throw new InvalidInput(
          ("%s: nothing to merge: of its %d tensors none is floating and outside the excluded"
                  + " patterns %s")
              .formatted(base.path(), base.tensors().size(), patterns));
    }
    // Eight-bit floats are floating to the user, who would not expect them to keep the base's
    // value.
    List<TensorInfo> eightBit =
        base.tensors().values().stream()
            .filter(tensor -> tensor.dtype().name().startsWith("F8_"))
            .map(tensor -> new TensorInfo(tensor.name(), DType.F32, tensor.shape()))
            .toList();
    for (String name : MergeSet.of(eightBit, patterns).names()) {
      throw new InvalidInput(
          ("%s: tensor '%s' is %s, which cannot be merged: convert the model to BF16 or wider, or"
                  + " exclude the tensor to keep the base's value")
              .formatted(base.path(), name, base.tensors().get(name).dtype()));
    }
    SortedMap<String, TensorInfo> merged = new TreeMap<>(base.tensors());
    merged.keySet().retainAll(mergeSet.names());
    return merged;
  }

  private static long bytesToRead(Model model, SortedMap<String, TensorInfo> merged) {
    long bytes;
    try (Checkpoint checkpoint = Checkpoint.open(model.checkpoint())) {
      ModelCheck.requireMerged("model '" + model.name() + "'", checkpoint, merged.values());
      bytes = bytes(checkpoint, merged);
    }
    if (model.fisher().isPresent()) {
      try (Checkpoint fisher = Checkpoint.open(model.fisher().get())) {
        ModelCheck.requireMerged("Fisher of model '" + model.name() + "'", fisher, merged.values());
        ModelCheck.examples(fisher);
        bytes += bytes(fisher, merged);
      }
    }
    return bytes;
  }

  private static long bytes(Checkpoint file, SortedMap<String, TensorInfo> merged) {
    return merged.keySet().stream().mapToLong(name -> file.tensors().get(name).bytes()).sum();
  }

  private static void readBase(Path path, ExecutorService readers, int threads, Meter meter) {
    try (Checkpoint base = Checkpoint.open(path)) {
      List<TensorInfo> tensors = ModelCheck.floating(base);
      forEach(
          tensors.size(),
          readers,
          threads,
          () ->
              index -> {
                ModelCheck.requireNoNaN(base, tensors.get(index));
                meter.add(tensors.get(index).bytes());
              });
    }
  }

  private static void readParameters(
      Model model,
      SortedMap<String, TensorInfo> merged,
      ExecutorService readers,
      int threads,
      Meter meter) {
    try (Checkpoint checkpoint = Checkpoint.open(model.checkpoint())) {
      List<TensorInfo> tensors = tensors(checkpoint, merged);
      forEach(
          tensors.size(),
          readers,
          threads,
          () ->
              index -> {
                for (Shard shard : shards(tensors.get(index))) {
                  ModelCheck.requireFinite("model '" + model.name() + "'", checkpoint, shard);
                  meter.add(shard.bytes());
                }
              });
    }
  }

  private static FisherReport readFisher(
      Model model,
      Path path,
      SortedMap<String, TensorInfo> merged,
      ExecutorService readers,
      int threads,
      Meter meter) {
    try (Checkpoint fisher = Checkpoint.open(path)) {
      List<TensorInfo> tensors = tensors(fisher, merged);
      BigDecimal[] totals = new BigDecimal[tensors.size()];
      BigDecimal[] squares = new BigDecimal[tensors.size()];
      forEach(
          tensors.size(),
          readers,
          threads,
          () -> {
            float[] entries = new float[Shard.ELEMENTS];
            return index -> {
              BigDecimal total = BigDecimal.ZERO;
              BigDecimal square = BigDecimal.ZERO;
              for (Shard shard : shards(tensors.get(index))) {
                FisherMoments moments = moments(model, fisher, shard, entries);
                total = total.add(new BigDecimal(moments.total()));
                square = square.add(new BigDecimal(moments.squares()));
                meter.add(shard.bytes());
              }
              totals[index] = total;
              squares[index] = square;
            };
          });
      return new FisherReport(sum(totals), sum(squares), ModelCheck.examples(fisher));
    }
  }

  private static FisherMoments moments(
      Model model, Checkpoint fisher, Shard shard, float[] entries) {
    DType dtype = shard.tensor().dtype();
    ByteBuffer bytes = slice(fisher, shard);
    long at = FloatCodec.firstNegativeOrNotFinite(dtype, bytes, shard.elements());
    // Fishers travel as float32, whatever type their file has.
    FloatCodec.toFloat(dtype, bytes, 0, entries, 0, shard.elements());
    for (int i = 0; at < 0 && dtype == DType.F64 && i < shard.elements(); i++) {
      if (entries[i] == Float.POSITIVE_INFINITY) {
        at = i;
      }
    }
    if (at >= 0) {
      throw new InvalidInput(
          ("Fisher of model '%s' (%s): tensor '%s' has %s at element %d, expected means of squares:"
                  + " finite, in float32's range, and from 0 on")
              .formatted(
                  model.name(),
                  fisher.path(),
                  shard.tensor().name(),
                  value(dtype, bytes, at),
                  shard.firstElement() + at));
    }
    return FisherMoments.of(entries, shard.elements(), 1);
  }

  private static List<Takeover> takeovers(
      MergeFile merge, SortedMap<String, ModelReport> models, long elements) {
    double epsilon = merge.method().minimalFisherWeight();
    boolean normalize = merge.method().normalizeFisherWeight();
    for (Model model : merge.models()) {
      Optional<FisherReport> fisher = models.get(model.name()).fisher();
      if (normalize && epsilon == 0 && fisher.isPresent() && fisher.get().squares() == 0) {
        throw new InvalidInput(
            ("Fisher of model '%s' (%s) is zero (ΣF² = 0) and cannot be normalised with"
                    + " minimal_fisher_weight 0: give the model a Fisher, or set"
                    + " minimal_fisher_weight above 0")
                .formatted(model.name(), model.fisher().orElseThrow()));
      }
    }
    if (!models.values().stream().allMatch(model -> model.fisher().isPresent())) {
      return List.of();
    }
    Map<String, Weight> weights = new TreeMap<>();
    models.forEach(
        (name, model) -> {
          FisherReport fisher = model.fisher().orElseThrow();
          weights.put(name, new Weight(model.coefficient(), fisher.total(), fisher.norm()));
        });
    if (elements > 0
        && Shares.of(weights, epsilon, elements, normalize).values().stream()
            .allMatch(share -> share == 0)) {
      throw new InvalidInput(
          ("%s: all weights are zero: every model with a coefficient above 0 has a zero Fisher, and"
                  + " minimal_fisher_weight is %s")
              .formatted(merge.file(), epsilon));
    }
    return normalize ? Shares.takeovers(weights, epsilon, elements) : List.of();
  }

  private static List<TensorInfo> tensors(Checkpoint file, SortedMap<String, TensorInfo> merged) {
    // The file was checked, but closed since.
    ModelCheck.requireMerged("changed while it was checked:", file, merged.values());
    return merged.keySet().stream().map(name -> file.tensors().get(name)).toList();
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

  private static double value(DType dtype, ByteBuffer bytes, long at) {
    double[] value = new double[1];
    FloatCodec.toDouble(dtype, bytes, (int) at * dtype.bytes(), value, 0, 1);
    return value[0];
  }

  private static double sum(BigDecimal[] terms) {
    BigDecimal sum = BigDecimal.ZERO;
    for (BigDecimal term : terms) {
      sum = sum.add(term);
    }
    return sum.doubleValue();
  }

  private interface Task {
    void run(int index);
  }

  private interface Worker {
    /** What one thread runs task after task, with scratch of its own. */
    Task start();
  }

  /**
   * Runs tasks 0 to {@code tasks} − 1 on all threads and returns when every thread is done: a
   * memory map must not be closed under a reader. Tasks are taken in order, so all before a failing
   * one are run, and the failure of the lowest index is always found and thrown.
   */
  private static void forEach(int tasks, ExecutorService readers, int threads, Worker worker) {
    AtomicInteger next = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger(tasks);
    RuntimeException[] failures = new RuntimeException[tasks];
    List<Future<?>> running = new ArrayList<>();
    for (int thread = 0; thread < threads; thread++) {
      running.add(
          readers.submit(
              () -> {
                Task task = worker.start();
                for (int i = next.getAndIncrement(); i < failed.get(); i = next.getAndIncrement()) {
                  try {
                    task.run(i);
                  } catch (RuntimeException e) {
                    failures[i] = e;
                    failed.accumulateAndGet(i, Math::min);
                  }
                }
              }));
    }
    Error error = null;
    for (Future<?> thread : running) {
      try {
        Uninterruptibles.getUninterruptibly(thread);
      } catch (ExecutionException e) {
        error = new AssertionError("a reading thread died", e.getCause());
      }
    }
    if (error != null) {
      throw error;
    }
    if (failed.get() < tasks) {
      throw failures[failed.get()];
    }
  }

  /** Adds up what the threads have read. */
  private static final class Meter {
    private final Progress progress;
    private final long total;
    private long done;

    Meter(Progress progress, long total) {
      this.progress = progress;
      this.total = total;
    }

    synchronized void add(long bytes) {
      done += bytes;
      progress.read(done, total);
    }
  }
}
