package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseFeed;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Lets a command that changes a pool wait for the release that has the change. */
public final class ReleaseWait {
  private static final Duration POLL = Duration.ofMillis(200);

  private static final Duration DEFAULT_TIMEOUT = Duration.ofMinutes(10);

  // Without --wait, --timeout is wrong usage.
  private static final class Waiting {
    @Option(
        names = "--wait",
        required = true,
        description = "Waits for the release that has the change, and names it.")
    @SuppressWarnings("UnusedVariable") // its presence chooses the group
    private boolean wait;

    @Option(
        names = "--timeout",
        paramLabel = "TIME",
        converter = Age.class,
        description = "How long --wait waits: 90s, 30m, 2h. Default: 10m.")
    private Duration timeout = DEFAULT_TIMEOUT;
  }

  @ArgGroup(exclusive = false)
  private Waiting waiting;

  /** Waits, if the user asked for it, until the newest release has a version of a model. */
  public void forVersion(
      KafkaSettings kafka, PoolTopics topics, String model, long version, PrintWriter out) {
    until(
        kafka,
        topics,
        model,
        plan ->
            find(plan, model).filter(found -> found.getVersion() >= version).isPresent()
                || (plan.getBaseModel().equals(model) && plan.getBaseVersion() >= version),
        out);
  }

  /**
   * Waits, if the user asked for it, until the newest release merges a model with these
   * coefficients.
   */
  public void forCoefficients(
      KafkaSettings kafka,
      PoolTopics topics,
      String model,
      Coefficients coefficients,
      PrintWriter out) {
    until(
        kafka,
        topics,
        model,
        plan ->
            find(plan, model)
                .filter(found -> PlannedModels.hasCoefficients(plan, found, coefficients))
                .isPresent(),
        out);
  }

  /**
   * Waits, if the user asked for it, until the newest release is merged by a method.
   *
   * @param base the base model's name
   */
  public void forMethod(
      KafkaSettings kafka, PoolTopics topics, String base, MergeMethod method, PrintWriter out) {
    until(kafka, topics, base, plan -> plan.getMethod().equals(method), out);
  }

  /**
   * Waits, if the user asked for it, until the newest release is merged by a method with these
   * coefficients.
   *
   * @param base the base model's name
   * @param coefficients by model
   */
  public void forSettings(
      KafkaSettings kafka,
      PoolTopics topics,
      String base,
      MergeMethod method,
      Map<String, Coefficients> coefficients,
      PrintWriter out) {
    until(
        kafka,
        topics,
        base,
        plan ->
            plan.getMethod().equals(method)
                && coefficients.entrySet().stream()
                    .allMatch(
                        wanted ->
                            find(plan, wanted.getKey())
                                .filter(
                                    found ->
                                        PlannedModels.hasCoefficients(
                                            plan, found, wanted.getValue()))
                                .isPresent()),
        out);
  }

  /** Whether the user asked for it. */
  public boolean isGiven() {
    return waiting != null;
  }

  /** Waits, if the user asked for it, until the newest release is one without a model. */
  public void forWithdrawal(KafkaSettings kafka, PoolTopics topics, String model, PrintWriter out) {
    until(
        kafka,
        topics,
        model,
        plan -> find(plan, model).isEmpty() && !plan.getBaseModel().equals(model),
        out);
  }

  private static Optional<PlannedModel> find(MergePlan plan, String model) {
    return plan.getModels().stream().filter(found -> found.getModel().equals(model)).findFirst();
  }

  private void until(
      KafkaSettings kafka,
      PoolTopics topics,
      String model,
      Predicate<MergePlan> has,
      PrintWriter out) {
    if (waiting == null) {
      return;
    }
    long end = System.nanoTime() + waiting.timeout.toNanos();
    try (ReleaseFeed feed = new ReleaseFeed(kafka, topics)) {
      Optional<Release> found = newest(feed.upToDate().values(), has);
      while (found.isEmpty() && System.nanoTime() - end < 0) {
        found = newest(feed.poll(POLL).values(), has);
      }
      Release release =
          found.orElseThrow(
              () ->
                  new InvalidInput(
                      "no release has the change after "
                          + waiting.timeout.toSeconds()
                          + " s: "
                          + state(kafka, topics, model)));
      if (release.getStatus() == ReleaseStatus.REJECTED) {
        throw new InvalidInput(
            "release "
                + release.getRelease()
                + " has the change and is REJECTED: "
                + (release.getVerdict() == null
                    ? release.getReason()
                    : release.getVerdict().getReason()));
      }
      out.println("release " + release.getRelease() + " has it");
    }
  }

  /**
   * The newest release that is complete, or rejected, if its plan is the wanted one; an abandoned
   * release was overtaken.
   */
  private static Optional<Release> newest(
      Collection<Release> releases, Predicate<MergePlan> isWanted) {
    return releases.stream()
        .filter(release -> release.getStatus() != ReleaseStatus.ABANDONED)
        .reduce((earlier, later) -> later)
        .filter(release -> isWanted.test(release.getPlan()));
  }

  private static String state(KafkaSettings kafka, PoolTopics topics, String model) {
    PoolStatus status = PoolStatus.read(kafka, topics);
    NavigableMap<Long, PoolModel> versions = status.view().models().get(model);
    String pool =
        status.lags().keySet().stream()
            .map(stage -> stage + ": " + status.instances(stage))
            .collect(Collectors.joining(", "));
    if (versions == null) {
      return model + " is not in the pool any more, and no other release followed; " + pool;
    }
    Map.Entry<Long, PoolModel> newest = versions.lastEntry();
    return "%s@%s is '%s'; %s"
        .formatted(model, newest.getKey().toString(), status.state(model, newest.getValue()), pool);
  }
}
