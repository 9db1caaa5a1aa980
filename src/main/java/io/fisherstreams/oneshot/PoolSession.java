package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseReader;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.producer.Producer;

/** The pool of a one-shot merge, whose models are merged again in other ways. */
final class PoolSession implements MergeSession {
  private static final Duration POLL = Duration.ofMillis(20);

  private final PoolRunner runner;
  private final ModelManifest base;

  /**
   * A session on a pool whose models have arrived.
   *
   * @param base its base model's manifest
   */
  PoolSession(PoolRunner runner, ModelManifest base) {
    this.runner = runner;
    this.base = base;
  }

  @Override
  public void merge(MergeFormula formula, Map<String, Coefficients> coefficients, Path output) {
    MergeMethod method = MergeMethods.with(base.getMethod(), formula);
    try (PoolModels models = PoolModels.open(runner.kafka(), runner.topics());
        Producer<byte[], byte[]> producer = runner.kafka().newProducer()) {
      PoolProducer pool = new PoolProducer(runner.topics(), producer);
      coefficients.forEach(
          (name, given) -> pool.announce(MergeMethods.with(models.require(name), given)));
      pool.announce(ModelManifest.newBuilder(base).setMethod(method).build());
    }
    Release release = await(method, coefficients);
    ReleaseReader reader = new ReleaseReader(runner.kafka(), runner.topics());
    new ReleaseExporter(reader)
        .export(
            release,
            reader.tensors(release, Optional.of(base)),
            ReleaseExporter.Output.file(output),
            bytes -> {});
  }

  private Release await(MergeMethod method, Map<String, Coefficients> coefficients) {
    try (ReleaseFeed feed = new ReleaseFeed(runner.kafka(), runner.topics())) {
      while (true) {
        Optional<Release> newest =
            feed.poll(POLL).values().stream()
                .filter(release -> release.getStatus() != ReleaseStatus.ABANDONED)
                .reduce((earlier, later) -> later)
                .filter(release -> has(release.getPlan(), method, coefficients));
        if (newest.isPresent()) {
          if (newest.get().getStatus() == ReleaseStatus.REJECTED) {
            throw new InvalidInput("the merged model is not finite: " + newest.get().getReason());
          }
          return newest.get();
        }
        runner.requireRunning();
      }
    }
  }

  private static boolean has(
      MergePlan plan, MergeMethod method, Map<String, Coefficients> coefficients) {
    return plan.getMethod().equals(method)
        && plan.getModels().stream()
            .filter(model -> coefficients.containsKey(model.getModel()))
            .allMatch(
                model ->
                    PlannedModels.hasCoefficients(plan, model, coefficients.get(model.getModel())));
  }
}
