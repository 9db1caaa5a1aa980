package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.kafka.RecordGuard;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One partition of the merge stage: connects {@link Intake} and {@link PlanRun} to the topics and
 * stores of its task. Values arrive as bytes, so that a record which cannot be decoded is sent to
 * {@code dead-letters} unchanged.
 */
final class MergeProcessor implements Processor<byte[], byte[], Object, Object> {
  private static final Logger LOG = LoggerFactory.getLogger(MergeProcessor.class);

  // Long enough to merge a dozen shards, but short, because a thread with many partitions does a
  // step of each between two commits, and must stay far below the transaction timeout.
  private static final long STEP_NANOS = Duration.ofMillis(200).toNanos();
  private static final Duration STEP_INTERVAL = Duration.ofMillis(10);
  // For models that cannot be merged yet. A report costs a commit, and a commit costs half a dozen
  // requests to the brokers.
  private static final Duration REPORT_INTERVAL = Duration.ofSeconds(2);
  private static final Duration LEFTOVERS_INTERVAL = Duration.ofMinutes(10);
  private static final String PLAN_KEY = "plan";

  private final PoolTopics topics;
  private final int partitions;
  private final ModelCatalog catalog;
  private final PayloadStore store;
  private final PayloadLog log;
  private final LocalPayloads local;
  private final FailedRecords failures;
  private final MergeKernel.Factory kernels;
  private final LongSupplier nanoTime;
  private ProcessorContext<Object, Object> context;
  private KeyValueStore<String, PlanState> plans;
  private PartitionContext partition;
  private Intake intake;
  private PlanRun run;
  private PartitionReport report;
  private RecordGuard guard;

  MergeProcessor(
      PoolTopics topics,
      int partitions,
      ModelCatalog catalog,
      PayloadStore store,
      PayloadLog log,
      LocalPayloads local,
      FailedRecords failures,
      MergeKernel.Factory kernels,
      LongSupplier nanoTime) {
    this.topics = topics;
    this.partitions = partitions;
    this.catalog = catalog;
    this.store = store;
    this.log = log;
    this.local = local;
    this.failures = failures;
    this.kernels = kernels;
    this.nanoTime = nanoTime;
  }

  @Override
  public void init(ProcessorContext<Object, Object> processorContext) {
    context = processorContext;
    guard = new RecordGuard(failures, context);
    int number = context.taskId().partition();
    KeyValueStore<String, ModelManifest> manifests = context.getStateStore(MergeTopology.MANIFESTS);
    KeyValueStore<String, ShardState> shards = context.getStateStore(MergeTopology.SHARDS);
    KeyValueStore<String, FoldedBatches> folded = context.getStateStore(MergeTopology.FOLDED);
    KeyValueStore<String, ModelCounts> counts = context.getStateStore(MergeTopology.COUNTS);
    plans = context.getStateStore(MergeTopology.PLANS);
    PartitionPayloads payloads = store.partition(number);
    partition =
        new PartitionContext(
            new Ledger(manifests, shards, counts, catalog, number, partitions),
            folded,
            local,
            payloads,
            new Recovery(topics, log, payloads, this::lose, number),
            new EpochSums(payloads),
            new KeptSums(context.getStateStore(MergeTopology.SUMS), payloads),
            new BatchPayload(),
            new Outbox(context));
    removeLeftovers();
    partition.ledger().markIncomplete();
    intake = new Intake(partition);
    run = new PlanRun(partition, kernels, nanoTime);
    report = new PartitionReport(partition.ledger());
    PlanState plan = plans.get(PLAN_KEY);
    if (plan != null) {
      run.begin(plan);
    }
    context.schedule(STEP_INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> work());
    context.schedule(REPORT_INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> report());
    context.schedule(LEFTOVERS_INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> removeLeftovers());
  }

  /** Removes the files of versions that this partition does not have, and of sums likewise. */
  private void removeLeftovers() {
    partition.payloads().dropAllExcept(partition.ledger().heldVersions());
    partition.kept().removeLeftovers();
  }

  private void lose(KnownModel model, Slot slot, boolean isCheckpoint) {
    // Other content may come under the same version and epoch.
    if (model.manifest().getRole() == Role.BASE) {
      partition.kept().forget();
    } else {
      partition.kept().forget(model.version());
    }
    if (isCheckpoint) {
      ShardCheckpoint.load(partition, model, slot).lose();
    } else {
      FisherShard.load(partition, model, slot).lose();
    }
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    RecordMetadata origin = context.recordMetadata().orElseThrow();
    guard.process(
        origin,
        () -> acceptOrReject(origin, record),
        (rejection, withContent) -> {
          if (withContent) {
            reject(origin, record, rejection);
          } else {
            partition.outbox().name(record, origin, rejection);
          }
        });
  }

  private void acceptOrReject(RecordMetadata origin, Record<byte[], byte[]> record) {
    try {
      accept(origin, record);
    } catch (RejectedRecord e) {
      reject(origin, record, e.rejection());
    } catch (SerializationException e) {
      reject(origin, record, Rejection.unreadable(e));
    }
    if (partition.ledger().hasCompleted()) {
      report();
    }
  }

  private void reject(RecordMetadata origin, Record<byte[], byte[]> record, Rejection rejection) {
    partition.outbox().deadLetter(record, origin, rejection);
    replace(origin.topic(), record);
  }

  private void accept(RecordMetadata origin, Record<byte[], byte[]> record) {
    String topic = origin.topic();
    if (topic.equals(topics.mergePlans().name())) {
      plan(read(topics.mergePlans(), record));
    } else if (record.key() == null) {
      throw new RejectedRecord(RejectionKind.KEY, "the record has no key");
    } else if (record.value() == null) {
      tombstone(topic, record);
    } else if (topic.equals(topics.checkpointShards().name())) {
      intake.checkpoint(key(record), origin.offset(), read(topics.checkpointShards(), record));
    } else {
      intake.gradientBatch(key(record), origin.offset(), read(topics.gradientBatches(), record));
    }
  }

  /**
   * Rejects a tombstone of a payload that is in use. Our own tombstones arrive when no state names
   * the payload any more, unless a good record came between a rejected one and its tombstone.
   */
  private void tombstone(String topic, Record<byte[], byte[]> record) {
    if (isInUse(topic, key(record))) {
      if (!Outbox.removesRejected(record)) {
        throw new RejectedRecord(
            RejectionKind.TOMBSTONE,
            "a tombstone of '%s', which is in use; only the pipeline may retire a payload"
                .formatted(key(record)));
      }
      resendAccepted(topic, key(record));
    }
  }

  private boolean isInUse(String topic, String key) {
    return topic.equals(topics.checkpointShards().name())
        ? ShardKey.readings(key).anyMatch(intake::isCheckpointInUse)
        : ShardKey.readings(key).anyMatch(intake::isBatchInUse);
  }

  /**
   * A rejected record must not stay the newest of its key: the accepted payload of the key is sent
   * again, and where there is none, the rejected one is removed from the topic.
   */
  private void replace(String topic, Record<byte[], byte[]> record) {
    if (record.key() == null || topic.equals(topics.mergePlans().name())) {
      return;
    }
    if (isInUse(topic, key(record))) {
      resendAccepted(topic, key(record));
    } else if (record.value() != null) {
      partition.outbox().removeRejected(topic.equals(topics.checkpointShards().name()), record);
    }
  }

  private void resendAccepted(String topic, String key) {
    if (topic.equals(topics.checkpointShards().name())) {
      ShardKey.readings(key).forEach(intake::resendCheckpoint);
    } else {
      ShardKey.readings(key).forEach(intake::resendBatch);
    }
  }

  private static String key(Record<byte[], byte[]> record) {
    return new String(record.key(), StandardCharsets.UTF_8);
  }

  private static <V> V read(Topic<?, V> topic, Record<byte[], byte[]> record) {
    return topic.value().deserializer().deserialize(topic.name(), record.value());
  }

  private void plan(MergePlan plan) {
    PlanState newest = run.state();
    if (plan == null || (newest != null && !isNewer(plan, newest.getPlan()))) {
      return;
    }
    ResolvedPlan.check(plan);
    PlanState state =
        newest != null && newest.getPlan().getRelease() == plan.getRelease()
            ? PlanState.newBuilder(newest).setPlan(plan).setCleared(false).build()
            : PlanState.newBuilder().setPlan(plan).build();
    state.setDone(state.getDone() || plan.getRetiresOnly());
    plans.put(PLAN_KEY, state);
    run.begin(state);
  }

  /** A plan is sent again when its list of retired models grows. */
  private static boolean isNewer(MergePlan plan, MergePlan known) {
    return plan.getRelease() > known.getRelease()
        || (plan.getRelease() == known.getRelease()
            && plan.getRetirement() > known.getRetirement());
  }

  private void work() {
    if (run.isIdle()) {
      return;
    }
    String work = run.work() + " " + context.taskId();
    Optional<String> givenUp = failures.givenUp(work);
    if (givenUp.isPresent()) {
      LOG.error("partition {}: {} is given up: it {}", number(), work, givenUp.get());
      run.giveUp(givenUp.get());
      plans.put(PLAN_KEY, run.state());
      return;
    }
    try {
      if (run.step(STEP_NANOS)) {
        plans.put(PLAN_KEY, run.state());
      }
    } catch (RuntimeException | StackOverflowError e) {
      failures.workFailed(work, e);
      throw e;
    }
    if (partition.ledger().hasCompleted()) {
      report();
    }
  }

  private int number() {
    return context.taskId().partition();
  }

  private void report() {
    catalog.refresh();
    for (KnownModel model : partition.ledger().takeChanged()) {
      partition.outbox().progress(report.of(model));
    }
  }

  @Override
  public void close() {
    run.close();
    partition.payloads().close();
  }
}
