package io.fisherstreams.estimation;

import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives examples and models up that made workers fail three times, in ways that nobody foresaw. It
 * outlives the workers.
 */
final class FailedExamples {
  private static final Logger LOG = LoggerFactory.getLogger(FailedExamples.class);

  private final FailedRecords failures;

  FailedExamples(FailedRecords failures) {
    this.failures = failures;
  }

  private static String name(PendingExample example) {
    return "examples-" + example.partition() + " offset " + example.offset();
  }

  /** Why an example is not tried again. */
  Optional<Rejection> givenUp(PendingExample example) {
    return failures.givenUp(name(example)).map(FailedExamples::setAside);
  }

  private static Rejection setAside(String failures) {
    return new Rejection(RejectionKind.SET_ASIDE, "set aside: the gradient stage " + failures);
  }

  /**
   * Adds a batch to a model's sums as {@link LoadedModel#add} does. A batch with an example that
   * was in a failed batch is added one by one, so that only the cause fails again.
   */
  Map<PendingExample, Rejection> add(LoadedModel loaded, List<PendingExample> batch) {
    boolean isDivided =
        !loaded.model().estimator().dependsOnBatches()
            && batch.stream().anyMatch(example -> failures.hasFailed(name(example)));
    List<List<PendingExample>> parts =
        isDivided ? batch.stream().map(List::of).toList() : List.of(batch);
    Map<PendingExample, Rejection> rejected = new LinkedHashMap<>();
    for (List<PendingExample> part : parts) {
      try {
        rejected.putAll(loaded.add(part));
      } catch (RuntimeException | StackOverflowError e) {
        part.forEach(example -> failures.workFailed(name(example), e));
        throw new IllegalStateException("examples of " + loaded.model().version() + " failed", e);
      }
    }
    return rejected;
  }

  /** Notes that a model could not be loaded; returns why it is given up, if it is. */
  Optional<Rejection> loadFailed(ModelVersion version, Throwable failure) {
    failures.workFailed(version.toString(), failure);
    Optional<Rejection> rejection =
        failures.givenUp(version.toString()).map(FailedExamples::setAside);
    rejection.ifPresent(why -> LOG.error("{} is {}", version, why.reason()));
    return rejection;
  }
}
