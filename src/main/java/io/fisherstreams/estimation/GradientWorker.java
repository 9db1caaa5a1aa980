package io.fisherstreams.estimation;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.kafka.CheckpointFetcher;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.kafka.TopicModelCatalog;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Stage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns examples into gradient batches, one {@link Claim} after the other: polls examples into the
 * {@link Backlog}, sums their squared gradients on another thread, and flushes the sums by {@link
 * ClaimCommit} when the claim is full or no more examples are expected.
 *
 * <p>A partition that is revoked ends a claim that has examples of it: the claim's sums are dropped
 * and its other partitions are read again from their committed offsets. Any failure of a
 * transaction ends the worker; {@link GradientStage} starts another, which knows from the topics
 * where to continue.
 */
final class GradientWorker implements ConsumerRebalanceListener, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(GradientWorker.class);
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration POLL_AT_WORK = Duration.ofMillis(10);
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(5);

  // Some hundred images: plenty for the next batches, little beside a model.
  private static final long MAX_BYTES = 64L << 20;

  // So many rejected and skipped records are committed without a claim; fewer when it is quiet.
  private static final long MAX_HANDLED = 512;

  private final PoolTopics topics;
  private final GradientOptions options;
  private final ClaimListener listener;
  private final FailedExamples failed;
  private final Consumer<byte[], byte[]> consumer;
  private final Producer<byte[], byte[]> producer;
  private final Admin admin;
  private final TopicModelCatalog catalog;
  private final CountedExamplesReader countedExamples;
  private final ExampleDecoder decoder;
  private final ModelLoader loader;
  private final Backlog backlog;
  private final ClaimCommit commits;
  private final ArrivalTimes arrivals;
  private final VersionStatus versions;
  private final BackgroundTask work = new BackgroundTask("gradient-work");
  private Claim claim;
  private LoadedModel loaded;
  private volatile boolean stopping;
  private volatile boolean abandoned;

  /**
   * A worker with its own clients.
   *
   * @param listener is notified of the claims
   * @param failed what earlier workers failed at
   * @param directory for a model's file while it is loaded; files of an earlier worker are deleted
   * @param instance names this instance, also after restarts
   */
  GradientWorker(
      KafkaSettings kafka,
      PoolTopics topics,
      GradientOptions options,
      Compute compute,
      ClaimListener listener,
      FailedExamples failed,
      Path directory,
      String instance,
      int partitions) {
    this.topics = topics;
    this.options = options;
    this.listener = listener;
    this.failed = failed;
    String group = Stage.GRADIENT.group(topics.pool());
    consumer = kafka.newGroupConsumer(group);
    producer = kafka.newTransactionalProducer(group + "-" + instance);
    admin = kafka.admin();
    catalog = TopicModelCatalog.open(kafka, topics.models());
    loader =
        new ModelLoader(
            new CheckpointFetcher(topics, kafka::newTextKeyReader, partitions),
            catalog::base,
            options,
            compute,
            directory);
    countedExamples = new CountedExamplesReader(topics, admin, kafka::newConsumer);
    decoder = new ExampleDecoder(topics, catalog, partitions);
    backlog = new Backlog(partitions);
    arrivals = new ArrivalTimes(options.linger());
    versions = new VersionStatus(catalog);
    commits =
        new ClaimCommit(
            topics, producer, consumer::groupMetadata, backlog, versions::isOvertaken, listener);
  }

  /** Works until {@link #stop()}. */
  void run() {
    producer.initTransactions();
    consumer.subscribe(List.of(topics.examples().name()), this);
    while (!stopping) {
      if (work.isUnderWay() && backlog.bytes() >= MAX_BYTES) {
        consumer.pause(consumer.assignment());
      } else {
        consumer.resume(consumer.paused());
      }
      catalog.refresh();
      for (ConsumerRecord<byte[], byte[]> record :
          consumer.poll(work.isUnderWay() ? POLL_AT_WORK : POLL)) {
        accept(record, System.nanoTime());
      }
      if (!stopping) {
        step(System.nanoTime());
      }
    }
  }

  /** Makes {@link #run()} return soon; for any thread. */
  void stop() {
    stopping = true;
  }

  private void accept(ConsumerRecord<byte[], byte[]> record, long now) {
    arrivals.record(now);
    PendingExample example = decoder.read(record);
    if (!example.isHandled()) {
      Optional<Rejection> rejection =
          failed.givenUp(example).or(() -> versions.unusable(example.version()));
      if (rejection.isPresent()) {
        example.reject(rejection.get());
      } else {
        arrivals.example(example.version(), now);
      }
    }
    backlog.add(example);
  }

  private void step(long now) {
    if (work.isUnderWay()) {
      if (!work.isDone()) {
        return;
      }
      work.finish();
    }
    if (claim == null && !begin(now)) {
      if (backlog.handled() >= (arrivals.isQuiet(now) ? 1 : MAX_HANDLED)) {
        commit();
      }
      return;
    }
    if (!work.isUnderWay()) {
      extend(now);
    }
  }

  /** Whether examples are taken as they are, without waiting for missing ones. */
  private boolean takesAll(ModelVersion version, long now) {
    return arrivals.isIdle(version, now) || backlog.bytes() >= MAX_BYTES;
  }

  /** Begins a claim on the model whose examples have waited longest; false when there is none. */
  private boolean begin(long now) {
    for (EstimatedModel model : backlog.waiting()) {
      ModelVersion version = model.version();
      if (!versions.mayLoad(version, now) || !backlog.canTake(model, takesAll(version, now))) {
        continue;
      }
      Optional<Rejection> rejection = versions.overtaken(version);
      if (rejection.isPresent()) {
        backlog.rejectWaiting(version, rejection.get());
        continue;
      }
      claim = new Claim(model, options.claimExamples(), now);
      if (loaded == null || !loaded.model().version().equals(version)) {
        work.start(() -> load(model));
      }
      return true;
    }
    return false;
  }

  /** Adds the next batches to the claim, or flushes it. */
  private void extend(long now) {
    ModelVersion version = claim.version();
    List<List<PendingExample>> batches =
        claim.isFull()
            ? List.of()
            : backlog.take(claim.model(), claim.room(), takesAll(version, now));
    if (!batches.isEmpty()) {
      claim.add(batches);
      work.start(() -> add(version, batches));
    } else if (claim.isDue(arrivals.isIdle(version, now), backlog.isComplete(claim.model()))) {
      commit();
    }
  }

  /** On the other thread: replaces the model in memory. */
  private Runnable load(EstimatedModel model) {
    if (loaded != null) {
      loaded.close();
      loaded = null;
    }
    ModelVersion version = model.version();
    try {
      Optional<LoadedModel> found = loader.load(model, () -> stopping || abandoned);
      if (found.isEmpty()) {
        return () -> incomplete(version);
      }
      loaded = found.get();
      listener.claimed(version, 0);
      return () -> versions.markLoaded(version);
    } catch (InvalidInput e) {
      Rejection mismatch = new Rejection(RejectionKind.MANIFEST_MISMATCH, e.getMessage());
      return () -> reject(version, mismatch);
    } catch (RejectedRecord e) {
      return () -> reject(version, e.rejection());
    } catch (RuntimeException | StackOverflowError e) {
      Rejection rejection = failed.loadFailed(version, e).orElseThrow(() -> failure(version, e));
      return () -> reject(version, rejection);
    }
  }

  private static IllegalStateException failure(ModelVersion version, Throwable cause) {
    return new IllegalStateException(version + " cannot be loaded", cause);
  }

  private void incomplete(ModelVersion version) {
    LOG.info("{}: its checkpoint is not complete yet", version);
    versions.markIncomplete(version, System.nanoTime());
    claim = null;
  }

  private void reject(ModelVersion version, Rejection rejection) {
    LOG.warn("{}: its examples are rejected: {}", version, rejection.reason());
    versions.markUnusable(version, rejection);
    backlog.rejectWaiting(version, rejection);
    claim = null;
  }

  /** On the other thread: adds batches to the claim's sums. */
  private Runnable add(ModelVersion version, List<List<PendingExample>> batches) {
    Map<PendingExample, Rejection> rejected = new LinkedHashMap<>();
    for (List<PendingExample> batch : batches) {
      if (stopping || abandoned) {
        break;
      }
      rejected.putAll(failed.add(loaded, batch));
      listener.claimed(version, loaded.examples());
    }
    return () -> {
      claim.summed(batches, rejected);
      logProgress(System.nanoTime());
    };
  }

  private void logProgress(long now) {
    if (claim.isLogDue(now)) {
      LOG.info(
          "{}: {} examples of this claim, {} examples/s",
          claim.version(),
          claim.size(),
          String.format(Locale.ROOT, "%.1f", claim.size() / claim.seconds(now)));
    }
  }

  /** Ends the claim, if there is one, and commits all handled records. */
  private void commit() {
    if (claim != null && !isSound()) {
      abandonClaim(Set.of());
    }
    Claim ended = claim;
    claim = null;
    Map<TopicPartition, Long> done =
        ended == null ? commits.commit() : commits.commit(ended, loaded);
    if (!done.isEmpty()) {
      Offsets.deleteBefore(admin, done);
    }
    arrivals.retain(
        backlog.waiting().stream().map(EstimatedModel::version).collect(Collectors.toSet()));
  }

  /**
   * Whether the claim's sums may be sent. Otherwise its examples are read again, and rejected then.
   */
  private boolean isSound() {
    ModelVersion version = claim.version();
    if (versions.isOvertaken(version)) {
      return false;
    }
    try {
      loaded.requireFinite();
      return true;
    } catch (InvalidInput e) {
      versions.markUnusable(version, new Rejection(RejectionKind.VALUES, e.getMessage()));
      return false;
    }
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
    for (TopicPartition partition : assigned) {
      backlog.assign(
          partition.partition(), countedExamples.read(partition.partition(), () -> stopping));
    }
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
    Set<Integer> revoked =
        partitions.stream()
            .map(TopicPartition::partition)
            .filter(backlog::owns)
            .collect(Collectors.toSet());
    if (claim != null && claim.partitions().stream().anyMatch(revoked::contains)) {
      LOG.info("{}: the claim is abandoned because its partitions are revoked", claim.version());
      abandonClaim(revoked);
    }
    revoked.forEach(backlog::revoke);
  }

  /** Drops the claim's sums; its examples of partitions that are not revoked are read again. */
  private void abandonClaim(Set<Integer> revoked) {
    abandoned = true;
    if (work.isUnderWay()) {
      work.finish();
    }
    abandoned = false;
    Set<Integer> claimed = claim.partitions();
    claim = null;
    if (loaded != null) {
      loaded.clear();
    }
    backlog.abandonClaim();
    for (int partition : claimed) {
      OptionalLong first = backlog.rewind(partition);
      if (!revoked.contains(partition)) {
        consumer.seek(new TopicPartition(topics.examples().name(), partition), first.orElseThrow());
      }
    }
  }

  @Override
  public void close() {
    stopping = true;
    claim = null;
    boolean hasEnded = work.stop();
    // not the defaults of waiting for brokers that are gone, and for what an aborted transaction
    // would send
    List<AutoCloseable> resources = new ArrayList<>();
    resources.add(() -> consumer.close(CloseOptions.timeout(CLOSE_WITHIN)));
    resources.add(catalog);
    resources.add(() -> admin.close(CLOSE_WITHIN));
    resources.add(() -> producer.close(CLOSE_WITHIN));
    if (hasEnded && loaded != null) {
      resources.add(loaded);
    }
    for (AutoCloseable resource : resources) {
      try {
        resource.close();
      } catch (Exception e) {
        LOG.warn("stage gradient: cannot close {}", resource, e);
      }
    }
  }
}
