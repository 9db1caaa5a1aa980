package io.fisherstreams.estimation;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.ExampleProgress;
import io.fisherstreams.gradient.FisherEstimation;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * A model in native memory, with the sums of the squared gradients of a claim. Owns native memory
 * until {@link #close()}. Not for use by several threads.
 */
final class LoadedModel implements ClaimCommit.Sums, AutoCloseable {
  private final EstimatedModel model;
  private final ModelRuntime runtime;
  private final FisherEstimation estimation;
  private final SquaredSums sums;
  private final GradientBatches batches;
  private long tokens;

  /** A model with sums over no examples; owns the runtime from now on. */
  LoadedModel(EstimatedModel model, ModelRuntime runtime) {
    this.model = model;
    this.runtime = runtime;
    this.estimation = new FisherEstimation(runtime, model.estimator());
    this.batches = new GradientBatches(model.manifest());
    this.sums = new SquaredSums(runtime);
  }

  EstimatedModel model() {
    return model;
  }

  /** Examples in the sums. */
  long examples() {
    return sums.examples();
  }

  /**
   * Adds a batch of examples to the sums. An example that does not suit the model is left out, and
   * the others are added: one by one or, where the estimator depends on batches, as the batch that
   * is left.
   *
   * @return the examples that were left out, with the reason
   */
  Map<PendingExample, Rejection> add(List<PendingExample> batch) {
    Map<PendingExample, Rejection> rejected = new LinkedHashMap<>();
    if (tryAdd(batch).isEmpty()) {
      return rejected;
    }
    if (!model.estimator().dependsOnBatches()) {
      for (PendingExample example : batch) {
        tryAdd(List.of(example)).ifPresent(why -> rejected.put(example, why));
      }
      return rejected;
    }
    List<PendingExample> rest = new ArrayList<>();
    for (PendingExample example : batch) {
      try {
        estimation.check(example.example());
        rest.add(example);
      } catch (InvalidInput e) {
        rejected.put(example, unsuitable(e));
      }
    }
    if (!rest.isEmpty()) {
      tryAdd(rest).ifPresent(why -> rest.forEach(example -> rejected.put(example, why)));
    }
    return rejected;
  }

  private static Rejection unsuitable(InvalidInput cause) {
    return new Rejection(RejectionKind.EXAMPLE, cause.getMessage());
  }

  private Optional<Rejection> tryAdd(List<PendingExample> batch) {
    try {
      List<Example> examples = batch.stream().map(PendingExample::example).toList();
      estimation.add(examples, sums);
      tokens += ExampleProgress.tokens(runtime, examples);
      return Optional.empty();
    } catch (InvalidInput e) {
      return Optional.of(unsuitable(e));
    }
  }

  @Override
  public long flush(String source, long sequence, BiConsumer<Shard, GradientBatch> output) {
    long bytes = batches.encode(sums, source, sequence, output);
    clear();
    return bytes;
  }

  /** Rejects sums that leave the range of float32 with {@link InvalidInput}. */
  void requireFinite() {
    batches.requireFinite(sums);
  }

  @Override
  public long tokens() {
    return tokens;
  }

  /** Resets the sums to no examples. */
  void clear() {
    sums.clear();
    tokens = 0;
  }

  @Override
  public void close() {
    sums.close();
    runtime.close();
  }
}
