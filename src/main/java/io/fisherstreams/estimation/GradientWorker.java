package io.fisherstreams.estimation;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.estimation.Backlog.Front;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.kafka.TopicModelCatalog;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.ShardKey;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns examples into gradient batches, one claim after the other. A <i>claim</i> is what one model
 * version's sums of squares are over between two flushes: examples of the worker's partitions, up
 * to a bound, or until no more come. A flush sends the sums as one gradient batch a shard, what is
 * counted now, refused records and the offsets in one transaction, so that an example is counted
 * once or, if the worker dies before, not at all.
 *
 * <p>The model runs on a thread of its own, while this one goes on polling. A partition that is
 * taken away ends a claim that has examples of it: its sums are dropped and the partitions that
 * stay are read again from where they are committed. Whatever goes wrong in a transaction ends the
 * worker; {@link GradientStage} starts another, which knows from the topics where to go on.
 */
final class GradientWorker implements ConsumerRebalanceListener, AutoCloseable {
  static final String STAGE = "gradient";

  private static final Logger LOG = LoggerFactory.getLogger(GradientWorker.class);
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration POLL_AT_WORK = Duration.ofMillis(10);
  private static final Duration TELL = Duration.ofSeconds(10);
  private static final Duration RETRY_INCOMPLETE = Duration.ofSeconds(5);

  // Some hundred images: plenty for the next batches, little beside a model.
  private static final long MAX_BYTES = 64L << 20;

  // Handed to the other thread together: it never waits, and a claim can still be given up soon.
  private static final int BATCHES_AT_ONCE = 4;

  // Refused and skipped records that are committed without a claim, at the latest: so many, or
  // when no record has come for so long.
  private static final long MAX_HANDLED = 512;
  private static final Duration QUIET = Duration.ofSeconds(1);

  /** One model version's examples between two flushes. */
  private static final class Claim {
    final EstimatedModel model;
    final List<PendingExample> examples = new ArrayList<>();
    final Map<PendingExample, String> refusals = new LinkedHashMap<>();
    final long began = System.nanoTime();
    long told = began;

    Claim(EstimatedModel model) {
      this.model = model;
    }
  }

  private final PoolTopics topics;
  private final GradientOptions options;
  private final ClaimListener listener;
  private final Path directory;
  private final Consumer<byte[], byte[]> consumer;
  private final Producer<byte[], byte[]> producer;
  private final Admin admin;
  private final TopicModelCatalog catalog;
  private final Publisher publisher;
  private final CountedLog countedLog;
  private final TopicCheckpoint checkpoint;
  private final LabelledExamples reader;
  private final Backlog backlog;
  private final ExecutorService executor =
      Executors.newSingleThreadExecutor(task -> new Thread(task, "gradient-work"));
  private final Map<ModelVersion, Long> lastArrival = new HashMap<>();
  private final Map<ModelVersion, Long> retryAt = new HashMap<>();
  private final Map<ModelVersion, String> unusable = new HashMap<>();
  private Claim claim;
  private Future<Runnable> work;
  private LoadedModel loaded;
  private long lastRecord;
  private volatile boolean stopping;
  private volatile boolean abandoned;

  /**
   * A worker on clients of its own.
   *
   * @param listener is told of the claims
   * @param directory for a model's file while it is loaded; what an earlier worker left there goes
   * @param instance names this instance for good
   */
  GradientWorker(
      KafkaSettings kafka,
      PoolTopics topics,
      GradientOptions options,
      ClaimListener listener,
      Path directory,
      String instance,
      int partitions) {
    this.topics = topics;
    this.options = options;
    this.listener = listener;
    this.directory = emptied(directory);
    String group = KafkaSettings.applicationId(topics, STAGE);
    consumer = kafka.newGroupConsumer(group);
    producer = kafka.newTransactionalProducer(group + "-" + instance);
    admin = kafka.admin();
    catalog = new TopicModelCatalog(topics.models(), kafka.newTextKeyConsumer());
    publisher = new Publisher(topics, producer);
    countedLog = new CountedLog(topics, admin, kafka::newConsumer);
    checkpoint = new TopicCheckpoint(topics, kafka::newTextKeyConsumer, partitions);
    reader = new LabelledExamples(topics, catalog, partitions);
    backlog = new Backlog(partitions);
  }

  private static Path emptied(Path directory) {
    try {
      Files.createDirectories(directory);
      try (Stream<Path> files = Files.list(directory)) {
        files.forEach(GradientWorker::delete);
      }
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot empty " + directory, e);
    }
  }

  /** Works until {@link #stop()}. */
  void run() {
    producer.initTransactions();
    consumer.subscribe(List.of(topics.examples().name()), this);
    while (!stopping) {
      if (work != null && backlog.bytes() >= MAX_BYTES) {
        consumer.pause(consumer.assignment());
      } else {
        consumer.resume(consumer.paused());
      }
      catalog.refresh();
      for (ConsumerRecord<byte[], byte[]> record :
          consumer.poll(work == null ? POLL : POLL_AT_WORK)) {
        accept(record);
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

  private void accept(ConsumerRecord<byte[], byte[]> record) {
    lastRecord = System.nanoTime();
    PendingExample example = reader.read(record);
    if (!example.isHandled()) {
      String reason = unusable.get(example.version());
      if (reason != null) {
        example.refuse(reason);
      } else {
        lastArrival.put(example.version(), lastRecord);
      }
    }
    backlog.add(example);
  }

  private void step(long now) {
    if (work != null) {
      if (!work.isDone()) {
        return;
      }
      finish();
    }
    if (claim == null && !begin(now)) {
      boolean quiet = now - lastRecord >= Math.min(QUIET.toNanos(), options.linger().toNanos());
      if (backlog.handled() >= (quiet ? 1 : MAX_HANDLED)) {
        commit();
      }
      return;
    }
    if (work == null) {
      goOn(now);
    }
  }

  /** Whether no more examples of a version are expected soon. */
  private boolean isIdle(ModelVersion version, long now) {
    Long last = lastArrival.get(version);
    return last == null || now - last >= options.linger().toNanos();
  }

  /** Whether examples are taken as they are, without waiting for those that are missing. */
  private boolean takesAll(ModelVersion version, long now) {
    return isIdle(version, now) || backlog.bytes() >= MAX_BYTES;
  }

  /** Begins a claim on the model whose examples have waited longest; false when there is none. */
  private boolean begin(long now) {
    for (EstimatedModel model : backlog.waiting()) {
      ModelVersion version = model.version();
      if (now - retryAt.getOrDefault(version, now) < 0
          || !backlog.canTake(model, takesAll(version, now))) {
        continue;
      }
      Optional<String> refusal = overtaken(version);
      if (refusal.isPresent()) {
        backlog.refuseWaiting(version, refusal.get());
        continue;
      }
      claim = new Claim(model);
      if (loaded == null || !loaded.model().version().equals(version)) {
        submit(() -> load(model));
      }
      return true;
    }
    return false;
  }

  /** Why a version takes no more examples. */
  private Optional<String> overtaken(ModelVersion version) {
    try {
      ModelCatalog.requireCurrent(catalog.latest(version), version);
      return Optional.empty();
    } catch (RejectedRecord e) {
      return Optional.of(e.getMessage());
    }
  }

  private void goOn(long now) {
    ModelVersion version = claim.model.version();
    long room = options.claimExamples() - claim.examples.size();
    long most = Math.min(room, (long) BATCHES_AT_ONCE * claim.model.batchSize());
    List<List<PendingExample>> batches =
        room > 0 ? backlog.take(claim.model, most, takesAll(version, now)) : List.of();
    if (!batches.isEmpty()) {
      batches.forEach(claim.examples::addAll);
      submit(() -> add(version, batches));
    } else if (room <= 0 || isIdle(version, now) || backlog.isComplete(claim.model)) {
      commit();
    }
  }

  private void submit(Callable<Runnable> task) {
    work = executor.submit(task);
  }

  /** Takes what the other thread has done. */
  private void finish() {
    Future<Runnable> done = work;
    work = null;
    try {
      done.get().run();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause
          ? cause
          : new KafkaException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted", e);
    }
  }

  /** On the other thread: brings a model into memory, the one before having left it. */
  private Runnable load(EstimatedModel model) {
    if (loaded != null) {
      loaded.close();
      loaded = null;
    }
    Path file = directory.resolve("model.safetensors");
    try {
      if (!checkpoint.fetch(model.manifest(), file, () -> stopping || abandoned)) {
        return () -> incomplete(model.version());
      }
      loaded = LoadedModel.load(model, file, options);
      listener.claimed(model.version(), 0);
      return () -> retryAt.remove(model.version());
    } catch (InvalidInput | RejectedRecord e) {
      return () -> refuse(model.version(), e.getMessage());
    } finally {
      delete(file);
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void incomplete(ModelVersion version) {
    LOG.info("{}: its checkpoint is not complete yet", version);
    retryAt.put(version, System.nanoTime() + RETRY_INCOMPLETE.toNanos());
    claim = null;
  }

  private void refuse(ModelVersion version, String reason) {
    LOG.warn("{}: its examples are refused: {}", version, reason);
    unusable.put(version, reason);
    backlog.refuseWaiting(version, reason);
    claim = null;
  }

  /** On the other thread: adds batches to the claim's sums. */
  private Runnable add(ModelVersion version, List<List<PendingExample>> batches) {
    Map<PendingExample, String> refused = new LinkedHashMap<>();
    for (List<PendingExample> batch : batches) {
      if (stopping || abandoned) {
        break;
      }
      refused.putAll(loaded.add(batch));
      listener.claimed(version, loaded.examples());
    }
    return () -> {
      claim.refusals.putAll(refused);
      batches.stream()
          .flatMap(List::stream)
          .filter(example -> !refused.containsKey(example))
          .forEach(PendingExample::release);
      tell();
    };
  }

  private void tell() {
    long now = System.nanoTime();
    if (now - claim.told >= TELL.toNanos()) {
      claim.told = now;
      LOG.info(
          "{}: {} examples of this claim, {} examples/s",
          claim.model.version(),
          claim.examples.size(),
          "%.1f".formatted(claim.examples.size() / ((now - claim.began) / 1e9)));
    }
  }

  /** Ends the claim, if there is one, and commits what is handled, in one transaction. */
  private void commit() {
    if (claim != null && !isSound()) {
      abandonClaim(Set.of());
    }
    producer.beginTransaction();
    Claim ended = claim;
    claim = null;
    List<PendingExample> counted = List.of();
    if (ended != null) {
      ended.refusals.forEach(PendingExample::refuse);
      counted = ended.examples.stream().filter(example -> !example.isRefused()).toList();
      if (!counted.isEmpty()) {
        flush(ended, counted);
      }
      backlog.count(ended.model, counted).forEach(publisher::counted);
    }
    forgetOvertaken();
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    Map<TopicPartition, Long> done = new HashMap<>();
    backlog
        .takeHandled()
        .forEach(
            (number, front) -> {
              TopicPartition partition = new TopicPartition(topics.examples().name(), number);
              offsets.put(partition, new OffsetAndMetadata(front.nextOffset()));
              if (front.advanced()) {
                done.put(partition, front.nextOffset());
              }
              bury(front);
            });
    // What is counted must be in its topic before the offsets are: the next owner of a partition
    // reads the one after it was given the other.
    publisher.flush();
    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
    producer.commitTransaction();
    if (ended != null) {
      listener.counted(ended.model.version(), counted.size());
    }
    if (!done.isEmpty()) {
      Offsets.deleteBefore(admin, done);
    }
    lastArrival
        .keySet()
        .retainAll(
            backlog.waiting().stream().map(EstimatedModel::version).collect(Collectors.toSet()));
  }

  /**
   * Whether the claim's sums are worth sending. Its examples are refused when they are read again,
   * if they are not.
   */
  private boolean isSound() {
    ModelVersion version = claim.model.version();
    if (overtaken(version).isPresent()) {
      return false;
    }
    try {
      loaded.requireFinite();
      return true;
    } catch (InvalidInput e) {
      unusable.put(version, e.getMessage());
      return false;
    }
  }

  private void flush(Claim ended, List<PendingExample> counted) {
    PendingExample first =
        counted.stream()
            .min(
                Comparator.comparingInt(PendingExample::partition)
                    .thenComparingLong(PendingExample::offset))
            .orElseThrow();
    long bytes =
        loaded.flush(
            ShardKey.GRADIENT_SOURCE + first.partition(), first.offset(), publisher::gradientBatch);
    double seconds = (System.nanoTime() - ended.began) / 1e9;
    LOG.info(
        "{}: {} examples in {} s, {} examples/s, {} bytes to gradient-batches",
        ended.model.version(),
        counted.size(),
        "%.1f".formatted(seconds),
        "%.1f".formatted(counted.size() / seconds),
        bytes);
  }

  private void forgetOvertaken() {
    for (ModelVersion version : backlog.counted()) {
      if (overtaken(version).isPresent()) {
        backlog.forget(version).forEach(partition -> publisher.forgetCounted(partition, version));
      }
    }
  }

  @SuppressWarnings("FutureReturnValueIgnored") // the transaction's commit reports the failure
  private void bury(Front front) {
    for (PendingExample refused : front.refused()) {
      producer.send(
          DeadLetters.of(refused.source(), topics.deadLetters().name(), STAGE, refused.refusal()));
    }
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> given) {
    for (TopicPartition partition : given) {
      backlog.assign(partition.partition(), countedLog.read(partition.partition(), () -> stopping));
    }
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
    Set<Integer> lost =
        partitions.stream()
            .map(TopicPartition::partition)
            .filter(backlog::owns)
            .collect(Collectors.toSet());
    if (claim != null
        && claim.examples.stream().anyMatch(example -> lost.contains(example.partition()))) {
      LOG.info("{}: a claim is given up with its partitions", claim.model.version());
      abandonClaim(lost);
    }
    lost.forEach(backlog::revoke);
  }

  /** Drops the claim's sums; its examples of partitions that are not lost are read again. */
  private void abandonClaim(Set<Integer> lost) {
    abandoned = true;
    if (work != null) {
      finish();
    }
    abandoned = false;
    Set<Integer> claimed =
        claim.examples.stream().map(PendingExample::partition).collect(Collectors.toSet());
    claim = null;
    if (loaded != null) {
      loaded.clear();
    }
    backlog.abandonClaim();
    for (int partition : claimed) {
      OptionalLong first = backlog.rewind(partition);
      if (!lost.contains(partition)) {
        consumer.seek(new TopicPartition(topics.examples().name(), partition), first.orElseThrow());
      }
    }
  }

  @Override
  public void close() {
    stopping = true;
    claim = null;
    work = null;
    executor.shutdown();
    List<AutoCloseable> resources = new ArrayList<>(List.of(consumer, catalog, admin));
    // not the default of waiting for what an aborted transaction would send
    resources.add(() -> producer.close(Duration.ofSeconds(5)));
    if (awaitWork() && loaded != null) {
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

  /** Whether the other thread has left the model. */
  private boolean awaitWork() {
    try {
      return executor.awaitTermination(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
