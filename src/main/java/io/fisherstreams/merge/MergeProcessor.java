package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.Shard;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.function.LongSupplier;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * One partition of the merge stage: it wires {@link Intake} and {@link PlanRun} to the topics and
 * stores of its task. Values arrive as bytes, so that a record which cannot be read goes to {@code
 * dead-letters} as it came.
 */
final class MergeProcessor implements Processor<byte[], byte[], Object, Object> {
  // Long enough to merge a dozen of shards, short enough that a thread with many partitions, which
  // steps through all of them between two commits, stays far below the transaction timeout.
  private static final long STEP_NANOS = Duration.ofMillis(200).toNanos();
  private static final Duration STEP_INTERVAL = Duration.ofMillis(10);
  // How far a model is that cannot be merged yet. A report costs a commit, and with it half
  // a dozen requests to the brokers.
  private static final Duration REPORT_INTERVAL = Duration.ofSeconds(2);
  private static final String PLAN_KEY = "plan";

  private final PoolTopics topics;
  private final int partitions;
  private final ModelCatalog catalog;
  private final PayloadStore store;
  private final PayloadLog log;
  private final LongSupplier nanoTime;
  private ProcessorContext<Object, Object> context;
  private KeyValueStore<String, PlanState> plans;
  private PartitionPayloads payloads;
  private Ledger ledger;
  private AcceptedPayloads accepted;
  private Intake intake;
  private PlanRun run;

  MergeProcessor(
      PoolTopics topics,
      int partitions,
      ModelCatalog catalog,
      PayloadStore store,
      PayloadLog log,
      LongSupplier nanoTime) {
    this.topics = topics;
    this.partitions = partitions;
    this.catalog = catalog;
    this.store = store;
    this.log = log;
    this.nanoTime = nanoTime;
  }

  @Override
  public void init(ProcessorContext<Object, Object> processorContext) {
    context = processorContext;
    int partition = context.taskId().partition();
    KeyValueStore<String, ModelManifest> manifests = context.getStateStore(MergeTopology.MANIFESTS);
    KeyValueStore<String, ShardState> shards = context.getStateStore(MergeTopology.SHARDS);
    KeyValueStore<String, FoldedBatches> folded = context.getStateStore(MergeTopology.FOLDED);
    KeyValueStore<String, ModelCounts> counts = context.getStateStore(MergeTopology.COUNTS);
    plans = context.getStateStore(MergeTopology.PLANS);
    payloads = store.partition(partition);
    ledger = new Ledger(manifests, shards, folded, counts, catalog, partition, partitions);
    Recovery recovery = new Recovery(topics, log, payloads, ledger::lose, partition);
    OpenEpochs openEpochs = new OpenEpochs(ledger, payloads);
    accepted =
        new AcceptedPayloads(
            ledger,
            payloads,
            recovery,
            openEpochs,
            (key, shard) -> forward(MergeTopology.TO_CHECKPOINT_SHARDS, key, shard),
            (key, batch) -> forward(MergeTopology.TO_GRADIENT_BATCHES, key, batch));
    intake =
        new Intake(
            ledger,
            payloads,
            openEpochs,
            accepted,
            (key, batch) -> forward(MergeTopology.TO_GRADIENT_BATCHES, key, batch));
    run = new PlanRun(ledger, payloads, recovery, new Forwarding(), nanoTime);
    PlanState plan = plans.get(PLAN_KEY);
    if (plan != null) {
      run.begin(plan);
    }
    context.schedule(STEP_INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> work());
    context.schedule(REPORT_INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> report());
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    RecordMetadata origin = context.recordMetadata().orElseThrow();
    try {
      accept(origin, record);
    } catch (RejectedRecord | SerializationException e) {
      forward(
          MergeTopology.TO_DEAD_LETTERS,
          DeadLetters.of(record, origin, Stage.MERGE, e.getMessage()));
      resendAccepted(origin.topic(), record);
    }
    if (ledger.hasCompleted()) {
      report();
    }
  }

  private void accept(RecordMetadata origin, Record<byte[], byte[]> record) {
    String topic = origin.topic();
    if (topic.equals(topics.mergePlans().name())) {
      plan(read(topics.mergePlans(), record));
    } else if (record.key() == null) {
      throw new RejectedRecord("the record has no key");
    } else if (record.value() == null) {
      tombstone(topic, key(record));
    } else if (topic.equals(topics.checkpointShards().name())) {
      intake.checkpoint(key(record), origin.offset(), read(topics.checkpointShards(), record));
    } else {
      intake.gradientBatch(key(record), origin.offset(), read(topics.gradientBatches(), record));
    }
  }

  /** Refuses a tombstone that is not ours: ours come when no state names the payload any more. */
  private void tombstone(String topic, String key) {
    boolean isInUse =
        topic.equals(topics.checkpointShards().name())
            ? ShardKey.readings(key).anyMatch(named -> accepted.checkpoint(named).isPresent())
            : ShardKey.readings(key).anyMatch(named -> accepted.batch(named).isPresent());
    if (isInUse) {
      throw new RejectedRecord(
          "a tombstone of '" + key + "', which is in use; the pipeline retires what it has read");
    }
  }

  /** What is refused must not be the newest record of an accepted payload's key. */
  private void resendAccepted(String topic, Record<byte[], byte[]> record) {
    if (record.key() == null) {
      return;
    }
    if (topic.equals(topics.checkpointShards().name())) {
      ShardKey.readings(key(record)).forEach(accepted::resendCheckpoint);
    } else if (topic.equals(topics.gradientBatches().name())) {
      ShardKey.readings(key(record)).forEach(accepted::resendBatch);
    }
  }

  private static String key(Record<byte[], byte[]> record) {
    return new String(record.key(), StandardCharsets.UTF_8);
  }

  private static <V> V read(Topic<?, V> topic, Record<byte[], byte[]> record) {
    return topic.value().deserializer().deserialize(topic.name(), record.value());
  }

  private void plan(MergePlan plan) {
    if (plan == null
        || (run.state() != null && run.state().getPlan().getRelease() >= plan.getRelease())) {
      return;
    }
    PlanState state = PlanState.newBuilder().setPlan(plan).build();
    plans.put(PLAN_KEY, state);
    run.begin(state);
  }

  private void work() {
    if (run.isIdle()) {
      return;
    }
    if (run.step(STEP_NANOS)) {
      plans.put(PLAN_KEY, run.state());
    }
    if (ledger.hasCompleted()) {
      report();
    }
  }

  private void report() {
    catalog.refresh();
    for (ModelProgress progress : new ArrayList<>(ledger.takeChanged())) {
      progress(
          Ledger.progressKey(progress.getModel(), progress.getVersion(), partition()),
          new PartitionProgress(partition(), progress));
    }
  }

  /**
   * Sends to {@code progress}, and asks for a commit: until this thread's transaction ends, the
   * coordinator sees nothing that other threads put behind it.
   */
  private void progress(String key, PartitionProgress progress) {
    forward(MergeTopology.TO_PROGRESS, key, progress);
    context.commit();
  }

  private int partition() {
    return context.taskId().partition();
  }

  private void forward(String sink, Object key, Object value) {
    forward(sink, new Record<>(key, value, context.currentSystemTimeMs()));
  }

  private void forward(String sink, Record<?, ?> record) {
    context.forward(record.withKey((Object) record.key()).withValue((Object) record.value()), sink);
  }

  @Override
  public void close() {
    run.close();
    payloads.close();
  }

  private final class Forwarding implements PlanRun.Output {
    @Override
    public void merged(MergedTensor tensor) {
      forward(MergeTopology.TO_MERGED_TENSORS, tensor.getParameter(), tensor);
    }

    @Override
    public void done(ReleaseProgress progress) {
      progress("release/" + partition(), new PartitionProgress(partition(), progress));
    }

    @Override
    public void retireCheckpoint(KnownModel model, Shard shard) {
      forward(
          MergeTopology.TO_CHECKPOINT_SHARDS,
          ShardKey.of(model.model(), model.version(), shard.tensor().name(), shard.index()),
          null);
    }

    @Override
    public void retireFisher(KnownModel model, Shard shard, String source, long sequence) {
      intake.retire(model, shard, source, sequence);
    }

    @Override
    public void retireProgress(KnownModel model) {
      progress(Ledger.progressKey(model.model(), model.version(), partition()), null);
    }
  }
}
