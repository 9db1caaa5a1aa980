package io.fisherstreams.faults;

import io.fisherstreams.estimation.EstimatedPool;
import io.fisherstreams.faults.Guarantee.EveryExampleCountsOnce;
import io.fisherstreams.faults.Guarantee.IdsGrowWithoutGap;
import io.fisherstreams.faults.Guarantee.OnlyBadRecordsAreRejected;
import io.fisherstreams.faults.Guarantee.ReleaseIsComplete;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.List;
import java.util.Set;

/**
 * The scenario of {@link FaultedPool#run} in a pool whose models' Fishers two gradient instances
 * estimate from examples.
 */
final class EstimatedRun {
  /** A conformance case with {@value #CASE_EXAMPLES} examples, which the models' repeat. */
  private static final String CASE = "gpt2";

  private static final int CASE_EXAMPLES = 7;

  // some seconds' work, so that it goes on while the fault happens
  private static final long EXAMPLES = 210L * CASE_EXAMPLES;
  private static final long SENT_AGAIN = 10;

  private final FaultedPool pool;
  private final EstimatedPool estimated;

  EstimatedRun(FaultedPool pool) {
    this.pool = pool;
    estimated = new EstimatedPool(pool.kafka(), pool.topics());
  }

  /**
   * A release of one model; two more arrive while the fault happens: one of many examples, some of
   * which are sent again, and one whose batches are defined by index. Asserts all guarantees.
   */
  void run(Fault fault) throws Exception {
    for (String instance : List.of("coordinator", "merge-1", "merge-2")) {
      pool.startThread(instance);
    }
    for (String instance : List.of("gradient-1", "gradient-2")) {
      pool.start(instance, new GradientThread(pool, instance));
    }
    pool.setBase(ManifestTensors.all(estimated.publishBase(CASE)));
    ModelManifest a = publish("a", "exact", 4, CASE_EXAMPLES);
    estimated.examples(a, CASE, 0, CASE_EXAMPLES);
    pool.awaitRelease(Set.of("a"));
    estimated.awaitInstances(2);
    ModelManifest b = publish("b", "exact", 4, EXAMPLES);
    estimated.examples(b, CASE, 0, EXAMPLES / 2);
    fault.begin(pool);
    estimated.examples(b, CASE, EXAMPLES / 2 - SENT_AGAIN, EXAMPLES);
    fault.amid(pool);
    ModelManifest c = publish("c", "fusion_bench", 3, CASE_EXAMPLES);
    estimated.examples(c, CASE, 0, CASE_EXAMPLES);
    fault.end(pool);
    pool.awaitRelease(Set.of("a", "b", "c"));
    requireAll(ManifestTensors.merged(a), fault.badRecords(pool));
    pool.require(new EveryExampleCountsOnce(estimated.estimated(a), CASE_EXAMPLES, CASE, "exact"));
    pool.require(new EveryExampleCountsOnce(estimated.estimated(b), EXAMPLES, CASE, "exact"));
    pool.require(new EveryExampleCountsOnce(estimated.accumulated(b), EXAMPLES, CASE, "exact"));
    pool.require(
        new EveryExampleCountsOnce(estimated.estimated(c), CASE_EXAMPLES, CASE, "fusion_bench"));
    fault.requireInjected(pool);
  }

  private ModelManifest publish(String model, String estimator, int batchSize, long examples) {
    Estimation how = new Estimation(estimator, 1, 0L, batchSize, List.of(), 256);
    return estimated.publish(model, CASE, how, examples, 0);
  }

  private void requireAll(Collection<TensorInfo> tensors, int badRecords) {
    pool.require(new IdsGrowWithoutGap(pool.releases()));
    ReleaseReader reader = new ReleaseReader(pool.kafka(), pool.topics());
    for (Release release : pool.releases().values()) {
      if (release.getStatus() == ReleaseStatus.COMPLETE) {
        pool.require(new ReleaseIsComplete(release, reader, tensors));
      }
    }
    pool.require(new OnlyBadRecordsAreRejected(badRecords, pool.deadLetters()));
  }
}
