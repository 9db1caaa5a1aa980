package io.fisherstreams.coordinator;

import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.coordinator.state.KeptRelease;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.TopicSlice;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.streams.KeyValue;
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
 * Follows the pool through {@link PoolView}, makes a plan whenever what can be merged changes, and
 * announces a release when every partition has carried its plan out. There is one of it in a pool:
 * its input topics have one partition.
 */
final class CoordinatorProcessor implements Processor<byte[], byte[], Object, Object> {
  private static final Logger LOG = LoggerFactory.getLogger(CoordinatorProcessor.class);
  private static final Duration TICK = Duration.ofMillis(25);
  private static final String STATE_KEY = "coordinator";

  private final PoolTopics topics;
  private final int partitions;
  private final PlanPolicy policy;
  private final MergedTensorLog mergedTensors;
  private ProcessorContext<Object, Object> context;
  private KeyValueStore<String, ModelManifest> manifests;
  private KeyValueStore<String, PartitionProgress> progress;
  private KeyValueStore<String, CoordinatorState> states;
  private KeyValueStore<String, Alias> aliasStore;
  private KeyValueStore<String, Release> releases;
  private Aliases aliases;
  private CoordinatorState state;
  private PoolView pool;
  private boolean changed;
  private long firstChange = Long.MAX_VALUE;
  private long lastChange;

  CoordinatorProcessor(
      PoolTopics topics, int partitions, PlanPolicy policy, MergedTensorLog mergedTensors) {
    this.topics = topics;
    this.partitions = partitions;
    this.policy = policy;
    this.mergedTensors = mergedTensors;
  }

  @Override
  public void init(ProcessorContext<Object, Object> processorContext) {
    context = processorContext;
    manifests = context.getStateStore(CoordinatorTopology.MANIFESTS);
    progress = context.getStateStore(CoordinatorTopology.PROGRESS);
    states = context.getStateStore(CoordinatorTopology.STATE);
    aliasStore = context.getStateStore(CoordinatorTopology.ALIASES);
    releases = context.getStateStore(CoordinatorTopology.RELEASES);
    aliases = new Aliases();
    try (KeyValueIterator<String, Alias> all = aliasStore.all()) {
      all.forEachRemaining(entry -> aliases.put(entry.value));
    }
    CoordinatorState kept = states.get(STATE_KEY);
    state = kept != null ? kept : CoordinatorState.newBuilder().build();
    state.setReports(new HashMap<>(state.getReports()));
    pool = new PoolView(partitions, state.getRetired());
    List<ModelManifest> announced = new ArrayList<>();
    try (KeyValueIterator<String, ModelManifest> all = manifests.all()) {
      all.forEachRemaining(entry -> announced.add(entry.value));
    }
    announced.sort(Comparator.comparing(ModelManifest::getVersion));
    announced.forEach(manifest -> pool.announce(manifest.getModel(), manifest));
    takeReports(progress.all());
    changed = true;
    context.schedule(TICK, PunctuationType.WALL_CLOCK_TIME, this::tick);
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    RecordMetadata origin = context.recordMetadata().orElseThrow();
    try {
      if (record.key() == null) {
        throw new RejectedRecord("the record has no key");
      }
      String key = new String(record.key(), StandardCharsets.UTF_8);
      if (origin.topic().equals(topics.models().name())) {
        model(key, read(topics.models(), record));
      } else if (origin.topic().equals(topics.aliasRequests().name())) {
        alias(key, read(topics.aliasRequests(), record));
      } else if (record.value() != null) {
        progress(key, read(topics.progress(), record));
      }
    } catch (RejectedRecord | SerializationException e) {
      forward(
          CoordinatorTopology.TO_DEAD_LETTERS,
          DeadLetters.of(record, origin, Stage.COORDINATOR, e.getMessage()));
    }
    tick(context.currentSystemTimeMs());
  }

  private static <V> V read(Topic<?, V> topic, Record<byte[], byte[]> record) {
    return topic.value().deserializer().deserialize(topic.name(), record.value());
  }

  private void model(String key, ModelManifest manifest) {
    if (manifest == null) {
      pool.withdraw(key);
      forget(key, Long.MAX_VALUE);
    } else {
      pool.announce(key, manifest);
      String id = id(manifest.getModel(), manifest.getVersion());
      if (manifests.get(id) == null) {
        // nothing orders two topics: reports may have come before
        takeReports(progress.range(id + "/", id + "0")); // '/' + 1
      }
      manifests.put(id, manifest);
    }
    changed = true;
  }

  private void takeReports(KeyValueIterator<String, PartitionProgress> stored) {
    List<PartitionProgress> reports = new ArrayList<>();
    try (stored) {
      stored.forEachRemaining(entry -> reports.add(entry.value));
    }
    reports.sort(Comparator.comparing(report -> ((ModelProgress) report.getBody()).getEpoch()));
    reports.forEach(r -> pool.progress(r.getPartition(), (ModelProgress) r.getBody()));
  }

  private void alias(String key, AliasRequest request) throws RejectedRecord {
    Instant now = Instant.ofEpochMilli(context.currentSystemTimeMs());
    Set<Long> usable = usable(state.getKept());
    boolean judges = aliases.judges(key, request);
    Alias answer = aliases.answer(key, request, usable, now);
    aliasStore.put(key, answer);
    forward(
        CoordinatorTopology.TO_ALIASES, new Record<>(key, answer, context.currentSystemTimeMs()));
    if (judges && usable.contains(request.getRelease())) {
      judge(releases.get(Long.toString(request.getRelease())), request.getVerdict(), now);
    }
  }

  private void judge(Release release, GateVerdict verdict, Instant now) {
    if (release.getVerdict() != null) {
      return;
    }
    release.setVerdict(verdict);
    if (!verdict.getPassed()) {
      release.setStatus(ReleaseStatus.REJECTED);
      release.setReason(verdict.getReason());
      release.setAt(now);
    }
    releases.put(Long.toString(release.getRelease()), release);
    announce(release);
  }

  /** Kept releases that an alias may point to. */
  private Set<Long> usable(List<KeptRelease> kept) {
    Set<Long> usable = new HashSet<>();
    for (KeptRelease release : kept) {
      Release record = releases.get(Long.toString(release.getRelease()));
      if (record.getStatus() == ReleaseStatus.COMPLETE) {
        usable.add(release.getRelease());
      }
    }
    return usable;
  }

  private void progress(String key, PartitionProgress report) {
    if (report.getBody() instanceof ModelProgress model) {
      pool.progress(report.getPartition(), model);
      // an epoch below an earlier report's: the partition has lost a payload, and the later epochs
      // with it
      forgetProgress(epochKey(key, model.getEpoch() + 1), key + "0");
      progress.put(epochKey(key, model.getEpoch()), report);
      changed = true;
    } else if (report.getBody() instanceof ReleaseProgress done
        && state.getUnderWay()
        && state.getLastPlan().getRelease() == done.getRelease()) {
      state.getReports().put(Integer.toString(report.getPartition()), done);
      if (state.getReports().size() == partitions) {
        complete();
      }
      save();
    }
  }

  private void tick(long now) {
    if (changed) {
      changed = false;
      Optional<PoolView.Proposal> proposal = pool.propose();
      boolean planned =
          proposal.isEmpty()
              ? !state.getUnderWay()
              : state.getLastPlan() != null
                  && proposal.get().isPlannedBy(state.getLastPlan())
                  && !state.getLastPlanAbandoned();
      if (planned) {
        firstChange = Long.MAX_VALUE;
      } else {
        firstChange = Math.min(firstChange, now);
        lastChange = now;
      }
    }
    boolean due =
        firstChange != Long.MAX_VALUE
            && (now - lastChange >= policy.quiet().toMillis()
                || now - firstChange >= policy.longest().toMillis());
    boolean letFinish =
        due
            && state.getUnderWay()
            && state.getAbandoned() >= PlanPolicy.MAX_ABANDONED
            && pool.canFinish(state.getLastPlan());
    if (due && !letFinish) {
      firstChange = Long.MAX_VALUE;
      plan(pool.propose());
    }
  }

  private void plan(Optional<PoolView.Proposal> proposal) {
    if (proposal.isPresent() && !proposal.get().versions().keySet().containsAll(policy.await())) {
      return;
    }
    if (state.getUnderWay()) {
      announce(release(ReleaseStatus.ABANDONED, "overtaken by a change of the pool"));
      state.setUnderWay(false);
      state.setLastPlanAbandoned(true);
      state.setAbandoned(state.getAbandoned() + 1);
    }
    proposal.ifPresent(this::begin);
    save();
    context.commit();
  }

  private void begin(PoolView.Proposal proposal) {
    for (String touched : pool.retireBefore(proposal)) {
      forget(touched, pool.retired().get(touched));
    }
    if (policy.await().isEmpty()) {
      proposal.takeovers().forEach(takeover -> LOG.warn("{}", takeover.message()));
    }
    ModelManifest base = proposal.base().manifest();
    List<RetiredModel> retired = new ArrayList<>();
    pool.retired().forEach((model, version) -> retired.add(new RetiredModel(model, version)));
    retired.sort(Comparator.comparing(RetiredModel::getModel));
    MergePlan previous = state.getLastPlan();
    MergePlan plan =
        new MergePlan(
            previous == null ? 1 : previous.getRelease() + 1,
            Instant.ofEpochMilli(context.currentSystemTimeMs()),
            PlanCause.of(previous, proposal),
            base.getModel(),
            base.getVersion(),
            base.getMethod(),
            proposal.models(),
            retired);
    state.setLastPlan(plan);
    state.setLastPlanAbandoned(false);
    state.setUnderWay(true);
    state.setFirstOffsets(mergedTensors.endOffsets());
    state.getReports().clear();
    forward(
        CoordinatorTopology.TO_MERGE_PLANS,
        new Record<>("plan", plan, context.currentSystemTimeMs()));
  }

  private void complete() {
    Release release = release(ReleaseStatus.COMPLETE, "");
    announce(release);
    releases.put(Long.toString(release.getRelease()), release);
    state.setUnderWay(false);
    state.setAbandoned(0);
    List<KeptRelease> kept = new ArrayList<>(state.getKept());
    Instant now = Instant.ofEpochMilli(context.currentSystemTimeMs());
    kept.add(new KeptRelease(release.getRelease(), state.getFirstOffsets(), now));
    List<KeptRelease> dropped = kept.subList(0, dropped(kept, now));
    dropped.forEach(gone -> releases.delete(Long.toString(gone.getRelease())));
    dropped.clear();
    // What is dropped now may still be asked for if this transaction is undone. Its tensors go with
    // the next release: by then a merge stage has read this transaction's committed plan.
    if (!state.getKept().isEmpty()) {
      mergedTensors.deleteBefore(state.getKept().get(0).getFirstOffsets());
    }
    state.setKept(kept);
    changed = true;
    context.commit();
  }

  /** A topic is cut at its front only, so a release that is held holds all later ones. */
  private int dropped(List<KeptRelease> kept, Instant now) {
    Set<Long> held = aliases.held(usable(kept));
    int dropped = 0;
    while (dropped < kept.size() - policy.keep()
        && !held.contains(kept.get(dropped).getRelease())
        && !kept.get(dropped).getAt().plus(policy.keepFor()).isAfter(now)) {
      dropped++;
    }
    return dropped;
  }

  private Release release(ReleaseStatus status, String reason) {
    long shards = 0;
    long checksum = 0;
    long unweighted = 0;
    for (ReleaseProgress report : state.getReports().values()) {
      shards += report.getShards();
      checksum += report.getChecksum();
      unweighted += report.getUnweighted();
    }
    List<TopicSlice> slices = new ArrayList<>();
    boolean complete = status == ReleaseStatus.COMPLETE;
    if (complete) {
      List<Long> ends = mergedTensors.endOffsets();
      for (int p = 0; p < ends.size(); p++) {
        slices.add(new TopicSlice(p, state.getFirstOffsets().get(p), ends.get(p)));
      }
    }
    return new Release(
        state.getLastPlan().getRelease(),
        status,
        Instant.ofEpochMilli(context.currentSystemTimeMs()),
        reason,
        state.getLastPlan(),
        slices,
        complete ? shards : 0,
        complete ? String.format("%016x", checksum) : "",
        unweighted,
        null);
  }

  private void announce(Release release) {
    forward(
        CoordinatorTopology.TO_RELEASES,
        new Record<>(Long.toString(release.getRelease()), release, context.currentSystemTimeMs()));
  }

  private void forward(String sink, Record<?, ?> record) {
    context.forward(record.withKey((Object) record.key()).withValue((Object) record.value()), sink);
  }

  /** Drops manifests and progress of a model's versions up to one. */
  private void forget(String model, long throughVersion) {
    List<String> gone = new ArrayList<>();
    try (KeyValueIterator<String, ModelManifest> all =
        manifests.range(model + "@", model + "A")) { // '@' + 1
      while (all.hasNext()) {
        KeyValue<String, ModelManifest> entry = all.next();
        if (entry.value.getModel().equals(model) && entry.value.getVersion() <= throughVersion) {
          gone.add(entry.key);
        }
      }
    }
    for (String id : gone) {
      manifests.delete(id);
      forgetProgress(id + "/", id + "0"); // '/' + 1
    }
  }

  private void forgetProgress(String from, String to) {
    List<String> reports = new ArrayList<>();
    try (KeyValueIterator<String, PartitionProgress> all = progress.range(from, to)) {
      all.forEachRemaining(entry -> reports.add(entry.key));
    }
    reports.forEach(progress::delete);
  }

  /** Sorts by epoch as text. */
  private static String epochKey(String key, int epoch) {
    return String.format("%s/%010d", key, epoch);
  }

  private static String id(String model, long version) {
    return model + "@" + version;
  }

  private void save() {
    state.setRetired(new HashMap<>(pool.retired()));
    states.put(STATE_KEY, state);
  }
}
