package io.fisherstreams.coordinator;

import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Role;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.spi.LoggingEventBuilder;

/** Logs the life of a pool, one line for each event. */
final class PoolEvents {
  private static final Logger LOG = LoggerFactory.getLogger(PoolEvents.class);
  private static final int MAX_NAMED = 20;

  private final Timer planTime = Meter.PLAN_TIME.timer();
  private volatile int openPlans;

  /** The fields of an event in a log of JSON. */
  private static LoggingEventBuilder named(LoggingEventBuilder event, String model, long version) {
    return event.addKeyValue("model", model).addKeyValue("version", version);
  }

  /** A manifest was accepted. */
  void announced(ModelManifest manifest, boolean isNew, Optional<String> by) {
    if (isNew) {
      named(LOG.atInfo(), manifest.getModel(), manifest.getVersion())
          .log(
              "{} {}@{} arrives{}: {} parameters",
              manifest.getRole() == Role.BASE ? "base model" : "model",
              manifest.getModel(),
              manifest.getVersion(),
              text(by),
              manifest.getParameters().size());
    } else {
      named(LOG.atInfo(), manifest.getModel(), manifest.getVersion())
          .log(
              "model {}@{} is announced again{}: coefficient {}",
              manifest.getModel(),
              manifest.getVersion(),
              text(by),
              MergeMethods.coefficients(manifest).text("by default"));
    }
  }

  /** A model leaves the pool. */
  void withdrawn(String model, Optional<String> by) {
    LOG.atInfo().addKeyValue("model", model).log("model {} is withdrawn{}", model, text(by));
  }

  /** A request to move an alias has its answer. */
  void answered(Alias alias, Optional<String> by) {
    if (alias.getRefusal().isEmpty()) {
      LOG.atInfo()
          .addKeyValue("release", alias.getRelease())
          .log(
              "alias {}: {}{}; it is {}{}",
              alias.getAlias(),
              alias.getAction(),
              text(by),
              alias.getRelease() == 0 ? "removed" : "release " + alias.getRelease(),
              alias.getHeld() ? ", held" : "");
    } else {
      LOG.atInfo()
          .addKeyValue("release", alias.getRelease())
          .log(
              "alias {}: {}{}; {}",
              alias.getAlias(),
              alias.getAction(),
              text(by),
              alias.getRefusal());
    }
  }

  private static String text(Optional<String> by) {
    return by.map(user -> ", by " + user).orElse("");
  }

  /** Runs a change by a partition's report, and logs what it completes. */
  void reported(PoolView pool, ModelProgress report, Runnable change) {
    if (!LOG.isInfoEnabled()) {
      change.run();
      return;
    }
    String before = state(pool, report);
    change.run();
    String after = state(pool, report);
    if (!after.isEmpty() && !after.equals(before)) {
      named(LOG.atInfo(), report.getModel(), report.getVersion())
          .log("model {}@{}: {}", report.getModel(), report.getVersion(), after);
    }
  }

  private static String state(PoolView pool, ModelProgress report) {
    NavigableMap<Long, PoolModel> versions = pool.models().get(report.getModel());
    PoolModel model = versions == null ? null : versions.get(report.getVersion());
    if (model == null || !model.isPresent()) {
      return "";
    }
    return model
        .epoch()
        .map(epoch -> "its Fisher is sealed, epoch " + epoch)
        .orElse("its checkpoint is complete");
  }

  /** A gate leaves a model out of the next plans. */
  void leftOut(LeftOutModel model) {
    named(LOG.atWarn(), model.getModel(), model.getVersion())
        .log(
            "model {}@{} is left out: {}", model.getModel(), model.getVersion(), model.getReason());
  }

  /** Whether the merge stage carries a plan out when the coordinator starts. */
  void starts(boolean isUnderWay) {
    openPlans = isUnderWay ? 1 : 0;
    Meter.PLANS_OPEN.gauge(() -> openPlans);
  }

  /** A plan is sent to the merge stage. */
  void planned(MergePlan plan) {
    openPlans = 1;
    LOG.atInfo()
        .addKeyValue("release", plan.getRelease())
        .log(
            "release {} is planned: {}; base {}@{}, {} models: {}",
            plan.getRelease(),
            plan.getCause(),
            plan.getBaseModel(),
            plan.getBaseVersion(),
            plan.getModels().size(),
            plan.getModels().stream()
                    .limit(MAX_NAMED)
                    .map(PoolEvents::name)
                    .collect(Collectors.joining(", "))
                + (plan.getModels().size() > MAX_NAMED ? ", ..." : ""));
    plan.getLeftOut().stream().filter(model -> !model.getByGate()).forEach(this::leftOut);
  }

  private static String name(PlannedModel model) {
    return model.getModel() + "@" + model.getVersion() + "/" + model.getEpoch();
  }

  /** A release's record is published: it has ended, or the gate has judged it. */
  void published(Release release) {
    if (release.getVerdict() == null) {
      openPlans = 0;
      if (release.getStatus() == ReleaseStatus.COMPLETE) {
        planTime.record(Duration.between(release.getPlan().getCreatedAt(), release.getAt()));
      }
    }
    if (release.getStatus() == ReleaseStatus.REJECTED) {
      LOG.atWarn()
          .addKeyValue("release", release.getRelease())
          .log("release {} is REJECTED: {}", release.getRelease(), release.getReason());
    } else if (release.getVerdict() != null) {
      LOG.atInfo()
          .addKeyValue("release", release.getRelease())
          .log(
              "release {} passes the gate: {}",
              release.getRelease(),
              release.getVerdict().getReason());
    } else if (release.getStatus() == ReleaseStatus.COMPLETE) {
      LOG.atInfo()
          .addKeyValue("release", release.getRelease())
          .log(
              "release {} is COMPLETE: {} models, {} shards, checksum {}",
              release.getRelease(),
              release.getPlan().getModels().size(),
              release.getShards(),
              release.getChecksum());
    } else {
      LOG.atInfo()
          .addKeyValue("release", release.getRelease())
          .log("release {} is ABANDONED: {}", release.getRelease(), release.getReason());
    }
  }
}
