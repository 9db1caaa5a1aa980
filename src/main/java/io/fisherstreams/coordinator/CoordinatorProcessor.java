package io.fisherstreams.coordinator;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.kafka.RecordGuard;
import io.fisherstreams.kafka.RejectionLog;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.ChangedBy;
import io.fisherstreams.record.Correction;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes records to {@link PoolView}, {@link Aliases} and {@link Releases}, asks {@link
 * PlanSchedule} when to plan, and publishes what they decide. A pool has one such processor: its
 * input topics have one partition.
 */
final class CoordinatorProcessor implements Processor<byte[], byte[], Object, Object> {
  private static final Logger LOG = LoggerFactory.getLogger(CoordinatorProcessor.class);
  private static final Duration TICK = Duration.ofMillis(25);
  private static final String STATE_KEY = "coordinator";

  private final PoolEvents events = new PoolEvents();
  private final RejectionLog rejections = new RejectionLog(Stage.COORDINATOR);
  private final PoolTopics topics;
  private final int partitions;
  private final PlanPolicy policy;
  private final MergedTensorLog mergedTensors;
  private final PlanSchedule schedule;
  private final FailedRecords failures;
  private final InstantSource wallClock;
  private ProcessorContext<Object, Object> context;
  private KeyValueStore<String, CoordinatorState> states;
  private KeyValueStore<String, Alias> aliasStore;
  private PoolStore stored;
  private PoolView pool;
  private Aliases aliases;
  private Releases releases;
  private Retirements retirements;
  private boolean changed;
  private RecordGuard guard;

  CoordinatorProcessor(
      PoolTopics topics,
      int partitions,
      PlanPolicy policy,
      MergedTensorLog mergedTensors,
      FailedRecords failures,
      InstantSource wallClock) {
    this.wallClock = wallClock;
    this.topics = topics;
    this.partitions = partitions;
    this.policy = policy;
    this.mergedTensors = mergedTensors;
    this.schedule = new PlanSchedule(policy);
    this.failures = failures;
  }

  @Override
  public void init(ProcessorContext<Object, Object> processorContext) {
    context = processorContext;
    guard = new RecordGuard(failures, context);
    states = context.getStateStore(CoordinatorTopology.STATE);
    aliasStore = context.getStateStore(CoordinatorTopology.ALIASES);
    aliases = new Aliases();
    try (KeyValueIterator<String, Alias> all = aliasStore.all()) {
      all.forEachRemaining(entry -> aliases.put(entry.value));
    }
    CoordinatorState saved = states.get(STATE_KEY);
    CoordinatorState state = saved != null ? saved : CoordinatorState.newBuilder().build();
    releases =
        new Releases(
            state,
            partitions,
            policy,
            ReleaseRecords.in(context.getStateStore(CoordinatorTopology.RELEASES)),
            mergedTensors);
    events.starts(releases.isUnderWay());
    stored =
        new PoolStore(
            context.getStateStore(CoordinatorTopology.MANIFESTS),
            context.getStateStore(CoordinatorTopology.PROGRESS));
    retirements =
        new Retirements(context.getStateStore(CoordinatorTopology.RETIRED), state, partitions);
    pool = new PoolView(partitions, retirements.versions());
    stored.manifests().forEach(this::restore);
    view(stored.reports());
    changed = true;
    context.schedule(TICK, PunctuationType.WALL_CLOCK_TIME, this::tick);
  }

  /** A manifest that an earlier release of the software accepted must not stop this one. */
  private void restore(ModelManifest manifest) {
    try {
      pool.announce(manifest.getModel(), manifest);
    } catch (RejectedRecord e) {
      LOG.error(
          "{}@{} takes part no more: {}",
          manifest.getModel(),
          manifest.getVersion(),
          e.getMessage());
    }
  }

  private void view(List<PartitionProgress> reports) {
    reports.forEach(r -> pool.progress(r.getPartition(), (ModelProgress) r.getBody()));
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    RecordMetadata origin = context.recordMetadata().orElseThrow();
    guard.process(
        origin,
        () -> accept(origin, record),
        (rejection, withContent) ->
            forward(
                CoordinatorTopology.TO_DEAD_LETTERS,
                withContent
                    ? DeadLetters.of(record, origin, Stage.COORDINATOR, rejection)
                    : DeadLetters.withoutContent(record, origin, Stage.COORDINATOR, rejection)));
  }

  private void accept(RecordMetadata origin, Record<byte[], byte[]> record) {
    boolean isModel = origin.topic().equals(topics.models().name());
    try {
      if (record.key() == null) {
        throw new RejectedRecord(RejectionKind.KEY, "the record has no key");
      }
      String key = new String(record.key(), StandardCharsets.UTF_8);
      if (isModel && Correction.corrected(record.headers()).isPresent()) {
        correction(key, read(topics.models(), record), record, origin);
      } else if (isModel) {
        model(key, read(topics.models(), record), ChangedBy.of(record.headers()));
      } else if (origin.topic().equals(topics.aliasRequests().name())) {
        alias(key, read(topics.aliasRequests(), record), record.headers());
      } else if (record.value() != null) {
        progress(read(topics.progress(), record));
      }
    } catch (RejectedRecord e) {
      reject(origin, record, e.rejection());
    } catch (SerializationException e) {
      reject(origin, record, Rejection.unreadable(e));
    }
    tick(context.currentSystemTimeMs());
  }

  private void reject(RecordMetadata origin, Record<byte[], byte[]> record, Rejection rejection) {
    rejections.rejected(origin.topic(), origin.partition(), origin.offset(), rejection);
    forward(
        CoordinatorTopology.TO_DEAD_LETTERS,
        DeadLetters.of(record, origin, Stage.COORDINATOR, rejection));
    if (origin.topic().equals(topics.models().name()) && record.key() != null) {
      correct(record, origin);
    }
  }

  private static <V> V read(Topic<?, V> topic, Record<byte[], byte[]> record) {
    return topic.value().deserializer().deserialize(topic.name(), record.value());
  }

  private void model(String key, ModelManifest manifest, Optional<String> by) {
    if (manifest == null) {
      if (pool.newest(key).isPresent()) {
        events.withdrawn(key, by);
      }
      pool.withdraw(key);
      stored.delete(key, Long.MAX_VALUE);
      retire(key);
    } else {
      requireVersion(manifest);
      pool.announce(key, manifest);
      boolean isNew = stored.put(manifest);
      events.announced(manifest, isNew, by);
      if (isNew) {
        // reports come from another topic: they may have overtaken their manifest
        view(stored.reports(manifest));
      }
    }
    if (releases.takeBack(key)) {
      save();
    }
    changed = true;
  }

  /** By the wall clock, as publishers choose versions; an accepted one stays what it is. */
  private void requireVersion(ModelManifest manifest) {
    if (pool.newest(manifest.getModel())
        .filter(known -> known.getVersion() == manifest.getVersion())
        .isPresent()) {
      return;
    }
    try {
      ManifestRules.requireVersion("version", manifest.getVersion(), now().toEpochMilli());
    } catch (InvalidInput e) {
      throw new RejectedRecord(RejectionKind.MANIFEST, e.getMessage());
    }
  }

  /**
   * Reads what {@link #correct} sent. Where the pool has changed since, the correction is the
   * newest record of its key but not what is accepted, so it is corrected too.
   */
  private void correction(
      String key, ModelManifest sent, Record<byte[], byte[]> record, RecordMetadata origin) {
    Optional<ModelManifest> accepted = pool.newest(key);
    if (accepted.isEmpty() && sent != null) {
      try {
        model(
            key,
            sent,
            Optional.empty()); // a coordinator whose state was lost finds its models again
      } catch (RejectedRecord e) {
        correct(record, origin);
      }
    } else if (!accepted.equals(Optional.ofNullable(sent))) {
      correct(record, origin);
    }
  }

  /** A rejected manifest must not stay the newest record of its key. */
  private void correct(Record<byte[], byte[]> rejected, RecordMetadata origin) {
    String key = new String(rejected.key(), StandardCharsets.UTF_8);
    forward(
        CoordinatorTopology.TO_MODELS,
        new Record<>(
            rejected.key(),
            pool.newest(key).orElse(null),
            context.currentSystemTimeMs(),
            Correction.headers(origin.offset())));
    context.commit(); // readers of the topic wait at the first record of an open transaction
  }

  private void alias(String key, AliasRequest request, Headers headers) throws RejectedRecord {
    Set<Long> usable = releases.usable();
    boolean judges = aliases.judges(key, request);
    Optional<String> by = ChangedBy.of(headers);
    Alias answer = aliases.answer(key, request, usable, releases::whyUnusable, now(), by);
    aliasStore.put(key, answer);
    events.answered(answer, by);
    Record<String, Alias> change = new Record<>(key, answer, now().toEpochMilli());
    by.ifPresent(user -> ChangedBy.set(change.headers(), user));
    forward(CoordinatorTopology.TO_ALIASES, change);
    if (judges && usable.contains(request.getRelease())) {
      GateVerdict verdict = aliases.recorded(key, request.getVerdict());
      releases.judge(request.getRelease(), verdict, now()).ifPresent(this::publish);
      leaveOut(request.getRelease(), verdict);
    }
  }

  /** A verdict on an older release says nothing of the newest, which gets its own. */
  private void leaveOut(long release, GateVerdict verdict) {
    boolean isNewest =
        releases.newestPlan().getRelease() == release && releases.isPlanned(propose());
    if (!verdict.getPassed() && !verdict.getLeaveOut().isEmpty() && isNewest) {
      List<LeftOutModel> known =
          verdict.getLeaveOut().stream()
              .filter(model -> pool.has(model.getModel(), model.getVersion()))
              .toList();
      known.forEach(events::leftOut);
      releases.leaveOut(known);
      save();
      changed = true;
    }
  }

  private void progress(PartitionProgress report) {
    if (report.getPartition() < 0 || report.getPartition() >= partitions) {
      throw new RejectedRecord(
          RejectionKind.REPORT,
          String.format(
              Locale.ROOT,
              "partition %d is not among the pool's %d",
              report.getPartition(),
              partitions));
    }
    if (report.getBody() instanceof ModelProgress model) {
      if (model.getPart() < 0 || model.getPart() >= model.getParts()) {
        throw new RejectedRecord(
            RejectionKind.REPORT,
            String.format(
                Locale.ROOT,
                "part %d of %d is none of its report",
                model.getPart(),
                model.getParts()));
      }
      events.reported(pool, model, () -> pool.progress(report.getPartition(), model));
      stored.put(report);
      changed |= model.getPart() + 1 >= model.getParts();
    } else if (report.getBody() instanceof ReleaseProgress done) {
      done(report.getPartition(), done);
    }
  }

  private void done(int partition, ReleaseProgress done) {
    if (releases.report(partition, done)) {
      if (done.getFault() != null) {
        publish(releases.reject(done.getFault(), now()));
        changed = true;
      } else if (releases.canComplete()) {
        publish(releases.complete(aliases::held, now()));
        changed = true;
        context.commit();
      }
      save();
    }
    if (done.getRetirement() > 0) {
      retirements.removed(partition, done.getRetirement()).forEach(pool::forget);
      save();
    }
  }

  private void tick(long now) {
    if (changed) {
      changed = false;
      if (releases.isPlanned(propose())) {
        schedule.settled();
      } else {
        schedule.changed(now);
      }
    }
    if (schedule.isDue(now) && !letsFinish()) {
      schedule.settled();
      plan(propose());
    }
    if (schedule.isSettled() && retirements.isWaiting()) {
      retire();
    }
  }

  private Optional<Proposal> propose() {
    return pool.propose(policy.shares(), releases.leftOut());
  }

  /** A plan that cannot finish any more is not waited for. */
  private boolean letsFinish() {
    return releases.isUnderWay()
        && PlanSchedule.letsFinish(releases.abandoned())
        && pool.canFinish(releases.newestPlan());
  }

  private void plan(Optional<Proposal> proposal) {
    if (proposal.isPresent() && !proposal.get().versions().keySet().containsAll(policy.await())) {
      return;
    }
    if (releases.isUnderWay()) {
      publish(releases.abandon(now()));
    }
    proposal.ifPresent(this::begin);
    save();
    context.commit();
  }

  private void begin(Proposal proposal) {
    for (String model : pool.retireBefore(proposal)) {
      stored.delete(model, pool.retired().get(model));
      retire(model);
    }
    if (policy.await().isEmpty()) {
      proposal.warnings().forEach(warning -> LOG.warn("{}", warning));
    }
    for (PlannedModel planned : proposal.models()) {
      if (planned.getEpoch() > 1 && !releases.planned(planned)) {
        stored.deleteEpochsBefore(
            planned.getModel(), planned.getVersion(), planned.getEpoch(), partitions);
      }
    }
    List<RetiredModel> retired = retirements.list();
    MergePlan plan = releases.begin(proposal, retired, retirements.number(), now());
    events.planned(plan);
    send(plan);
  }

  /** Stored at once: a restart before the next plan must not forget a withdrawal. */
  private void retire(String model) {
    Long version = pool.retired().get(model);
    if (version != null) {
      retirements.add(model, version);
    }
  }

  /** Sends what is retired without a new plan: no release waits for it, and none may follow. */
  private void retire() {
    List<RetiredModel> retired = retirements.list();
    send(releases.retire(retired, retirements.number(), now()));
    save();
    context.commit();
  }

  private void send(MergePlan plan) {
    forward(CoordinatorTopology.TO_MERGE_PLANS, "plan", plan);
  }

  private void publish(Release release) {
    events.published(release);
    forward(CoordinatorTopology.TO_RELEASES, Long.toString(release.getRelease()), release);
  }

  private void forward(String sink, String key, Object value) {
    forward(sink, new Record<>(key, value, now().toEpochMilli()));
  }

  private void forward(String sink, Record<?, ?> record) {
    context.forward(record.withKey((Object) record.key()).withValue((Object) record.value()), sink);
  }

  /** The wall clock's time, for people; waits use the context's, which no correction moves. */
  private Instant now() {
    return wallClock.instant().truncatedTo(ChronoUnit.MILLIS);
  }

  private void save() {
    states.put(STATE_KEY, releases.state());
  }
}
