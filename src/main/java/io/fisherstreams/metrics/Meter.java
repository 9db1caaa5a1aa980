package io.fisherstreams.metrics;

import com.google.common.collect.ImmutableList;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;

/**
 * Every meter of FisherStreams, with its unit and its tags. Counters count in the process of their
 * stage. Gauges of the pool are in the process of the stage {@code api}, which sees all of it.
 * Until a registry is added to Micrometer's global one, counting costs almost nothing.
 */
public enum Meter {
  /** Checkpoint shards that the merge stage has accepted, repeated ones included. */
  CHECKPOINT_SHARDS(
      Kind.COUNTER, "fisherstreams.merge.checkpoint.shards", null, "Checkpoint shards accepted"),
  /** Their bytes. */
  CHECKPOINT_BYTES(
      Kind.COUNTER,
      "fisherstreams.merge.checkpoint",
      "bytes",
      "Bytes of checkpoint shards accepted"),
  /** Gradient batches that the merge stage has accepted, repeated ones included. */
  GRADIENT_BATCHES(
      Kind.COUNTER, "fisherstreams.merge.gradient.batches", null, "Gradient batches accepted"),
  /** Their bytes. */
  GRADIENT_BYTES(
      Kind.COUNTER, "fisherstreams.merge.gradient", "bytes", "Bytes of gradient batches accepted"),
  /** Gradient batches that were applied before and are skipped. */
  DUPLICATE_BATCHES(
      Kind.COUNTER,
      "fisherstreams.merge.duplicate.batches",
      null,
      "Gradient batches skipped, because they were applied before"),
  /** Time in which the merge stage makes the Fisher of one shard of an epoch. */
  SEAL_DURATION(
      Kind.TIMER, "fisherstreams.merge.seal", "seconds", "Time to seal the Fisher of one shard"),
  /** Bytes of payloads that the merge stage has read again from their topics. */
  RESTORED_BYTES(
      Kind.COUNTER,
      "fisherstreams.merge.restored",
      "bytes",
      "Bytes of payloads read again from their topics"),
  /** Time in which the merge stage reads payloads again from their topics. */
  RESTORE_TIME(
      Kind.TIMER,
      "fisherstreams.merge.restore",
      "seconds",
      "Time to read payloads again from their topics"),
  /** Time from a plan to its complete release. */
  PLAN_TIME(
      Kind.TIMER,
      "fisherstreams.coordinator.plan",
      "seconds",
      "Time from a plan to its complete release"),
  /** 1 while the merge stage carries a plan out. */
  PLANS_OPEN(
      Kind.GAUGE,
      "fisherstreams.coordinator.plans.open",
      null,
      "Plans that the merge stage carries out"),
  /** Bytes that the merge stage has read from its payload files. */
  PAYLOADS_READ(
      Kind.COUNTER,
      "fisherstreams.merge.payloads.read",
      "bytes",
      "Bytes read from local payload files"),
  /** Bytes that the merge stage has read from its kept sums. */
  SUMS_READ(
      Kind.COUNTER, "fisherstreams.merge.sums.read", "bytes", "Bytes read from local kept sums"),
  /** Examples that the gradient stage has counted. */
  COUNTED_EXAMPLES(
      Kind.COUNTER, "fisherstreams.gradient.examples", null, "Examples counted in Fishers"),
  /** Tokens of the counted examples of models that predict tokens. */
  COUNTED_TOKENS(
      Kind.COUNTER,
      "fisherstreams.gradient.tokens",
      null,
      "Tokens of counted examples of language models"),
  /** Records that a stage has rejected, by kind of the reason. */
  REJECTED_RECORDS(
      Kind.COUNTER, "fisherstreams.rejected.records", null, "Records rejected", "stage", "kind"),
  /** Records from which a stage has restored its stores. */
  RESTORED_RECORDS(
      Kind.COUNTER,
      "fisherstreams.restored.records",
      null,
      "Records of changelogs read to restore stores",
      "stage"),
  /** Records of changelogs that a stage has still to read. */
  RESTORE_REMAINING(
      Kind.GAUGE,
      "fisherstreams.restore.remaining.records",
      null,
      "Records of changelogs still to be read to restore stores",
      "stage"),
  /** Native memory of a stage's stores: block cache and write buffers. */
  ROCKSDB_MEMORY(
      Kind.GAUGE,
      "fisherstreams.rocksdb.memory",
      "bytes",
      "Native memory of the stage's stores",
      "stage"),
  /** Threads that failed and were replaced. */
  REPLACED_THREADS(
      Kind.COUNTER, "fisherstreams.replaced.threads", null, "Threads replaced", "stage"),
  /** Verdicts of the gate. */
  GATE_VERDICTS(Kind.COUNTER, "fisherstreams.gate.verdicts", null, "Verdicts", "passed"),
  /** Attempts to send an event to a webhook; outcome is accepted or failed. */
  WEBHOOK_ATTEMPTS(
      Kind.COUNTER,
      "fisherstreams.webhook.attempts",
      null,
      "Attempts to send an event",
      "webhook",
      "outcome"),
  /** How long an event has been waiting that the receiver has not accepted yet; 0 without one. */
  WEBHOOK_WAITING(
      Kind.GAUGE,
      "fisherstreams.webhook.waiting",
      "seconds",
      "How long the event under way waits for its receiver",
      "webhook"),
  /** Always 1; the tags tell the build of the process. */
  BUILD(
      Kind.GAUGE,
      "fisherstreams.build.info",
      null,
      "The build of the process",
      "version",
      "commit"),
  /** 1 while an instance has its work, 0 before and after. */
  STAGE_READY(
      Kind.GAUGE, "fisherstreams.stage.ready", null, "1 while the stage has its work", "stage"),
  /** 1 while Kafka or the schema registry answers, 0 while it does not. */
  SERVER_ANSWERS(
      Kind.GAUGE, "fisherstreams.server.answers", null, "1 while the server answers", "server"),
  /** Memory of this process that is in RAM: heap, native memory, and pages of mapped files. */
  RESIDENT_MEMORY(
      Kind.GAUGE, "fisherstreams.process.resident", "bytes", "Resident memory of the process"),
  /** Versions of models, by state. */
  MODELS(Kind.GAUGE, "fisherstreams.pool.models", null, "Versions of models", "state"),
  /** Age of the version that waits longest. */
  WAITING_AGE(
      Kind.GAUGE,
      "fisherstreams.pool.waiting.age",
      "seconds",
      "Time since the oldest version that still waits was announced; 0 without one"),
  /** Examples that waiting models want. */
  EXAMPLES_WANTED(
      Kind.GAUGE, "fisherstreams.pool.examples.wanted", null, "Examples that waiting models want"),
  /** Examples that are counted of those. */
  EXAMPLES_COUNTED(
      Kind.GAUGE, "fisherstreams.pool.examples.counted", null, "Examples counted of those"),
  /** Records of releases, by status. */
  RELEASES(Kind.GAUGE, "fisherstreams.pool.releases", null, "Releases", "status"),
  /** Time since the newest complete release. */
  RELEASE_AGE(
      Kind.GAUGE,
      "fisherstreams.pool.release.age",
      "seconds",
      "Time since the newest complete release; no value before the first"),
  /** From the plan to the release. */
  PLAN_DURATION(
      Kind.GAUGE,
      "fisherstreams.pool.plan.duration",
      "seconds",
      "From plan to release, of the newest complete one"),
  /** From the manifest of its newest version to the release. */
  ARRIVAL_DURATION(
      Kind.GAUGE,
      "fisherstreams.pool.arrival.duration",
      "seconds",
      "From the newest manifest to the newest complete release"),
  /** The largest share of a model. */
  LARGEST_SHARE(
      Kind.GAUGE,
      "fisherstreams.pool.largest.share",
      null,
      "Largest share of a model in the newest complete release, 0 to 1"),
  /** The part of all weights that comes from ε. */
  EPSILON_SHARE(
      Kind.GAUGE,
      "fisherstreams.pool.epsilon.share",
      null,
      "Part of all weights of the newest complete release that minimal_fisher_weight adds, 0 to 1"),
  /** Accuracy of the newest judged release, by task. */
  GATE_ACCURACY(
      Kind.GAUGE,
      "fisherstreams.pool.gate.accuracy",
      null,
      "Accuracy of the newest judged release, 0 to 1",
      "task"),
  /** The release that an alias points to. */
  ALIAS_RELEASE(
      Kind.GAUGE,
      "fisherstreams.pool.alias.release",
      null,
      "Id of the release that the alias points to",
      "alias"),
  /** Dead letters that were counted, by stage and kind of the reason. */
  DEAD_LETTERS(
      Kind.GAUGE,
      "fisherstreams.pool.dead.letters",
      null,
      "Newest dead letters, at most 1,000",
      "stage",
      "kind"),
  /** Records that a stage has not processed yet; of a webhook: events that wait. */
  STAGE_LAG(
      Kind.GAUGE,
      "fisherstreams.pool.stage.lag",
      null,
      "Records that the stage has not processed yet",
      "stage"),
  /** Running instances of a stage. */
  STAGE_INSTANCES(
      Kind.GAUGE, "fisherstreams.pool.stage.instances", null, "Running instances", "stage");

  private enum Kind {
    COUNTER,
    GAUGE,
    TIMER
  }

  private final Kind kind;
  private final String id;
  private final String unit;
  private final String description;
  private final ImmutableList<String> tags;

  Meter(Kind kind, String id, String unit, String description, String... tags) {
    this.kind = kind;
    this.id = id;
    this.unit = unit;
    this.description = description;
    this.tags = ImmutableList.copyOf(tags);
  }

  /** Micrometer's name. */
  public String id() {
    return id;
  }

  /** The base unit; null for a plain number. */
  public String unit() {
    return unit;
  }

  /** One line for people. */
  public String description() {
    return description;
  }

  /** The keys of its tags, beside {@code pool}. */
  public List<String> tags() {
    return tags;
  }

  /** The name in Prometheus, with unit. */
  public String prometheus() {
    return id.replace('.', '_')
        + (unit == null ? "" : "_" + unit)
        + (kind == Kind.COUNTER ? "_total" : "");
  }

  /** The names of its series in Prometheus: a timer has three. */
  public List<String> series() {
    return kind == Kind.TIMER
        ? Stream.of("count", "sum", "max").map(part -> prometheus() + "_" + part).toList()
        : List.of(prometheus());
  }

  /**
   * The counter with these values of its tags; it is shown from now on.
   *
   * @param values in the order of {@link #tags}
   */
  public Counter counter(String... values) {
    return Counter.builder(id)
        .description(description)
        .baseUnit(unit)
        .tags(tags(Kind.COUNTER, values))
        .register(Metrics.globalRegistry);
  }

  /**
   * The timer with these values of its tags; it is shown from now on.
   *
   * @param values in the order of {@link #tags}
   */
  public Timer timer(String... values) {
    return Timer.builder(id)
        .description(description)
        .tags(tags(Kind.TIMER, values))
        .register(Metrics.globalRegistry);
  }

  /**
   * Shows a value from now on, in place of an earlier one with the same values of the tags.
   *
   * @param value is asked by any thread, at any time
   * @param values in the order of {@link #tags}
   */
  public void gauge(DoubleSupplier value, String... values) {
    Tags own = tags(Kind.GAUGE, values);
    Gauge before = Metrics.globalRegistry.find(id).tags(own).gauge();
    if (before != null) {
      Metrics.globalRegistry.remove(before);
    }
    Gauge.builder(id, value::getAsDouble)
        .description(description)
        .baseUnit(unit)
        .tags(own)
        .register(Metrics.globalRegistry);
  }

  private Tags tags(Kind expected, String... values) {
    if (kind != expected) {
      throw new IllegalArgumentException(id + " " + kind);
    }
    return tagged(List.of(values));
  }

  /**
   * The meter's tags with these values.
   *
   * @param values in the order of {@link #tags}
   */
  public Tags tagged(List<String> values) {
    if (values.size() != tags.size()) {
      throw new IllegalArgumentException(id + " " + tags);
    }
    Tags all = Tags.empty();
    for (int i = 0; i < values.size(); i++) {
      all = all.and(tags.get(i), values.get(i));
    }
    return all;
  }
}
