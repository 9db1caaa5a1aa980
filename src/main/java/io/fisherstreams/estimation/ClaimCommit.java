package io.fisherstreams.estimation;

import io.fisherstreams.estimation.CommitFront.Committable;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.kafka.RejectionLog;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Stage;
import io.fisherstreams.tensor.Shard;
import io.micrometer.core.instrument.Counter;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Commits what a worker has handled, in one transaction each time: a claim's sums as gradient
 * batches, the examples counted so far, dead letters, and offsets. So an example is counted once,
 * or not at all if the worker dies before.
 */
final class ClaimCommit {
  private static final Logger LOG = LoggerFactory.getLogger(ClaimCommit.class);

  /** Sums of squared gradients that a flush sends and clears. */
  interface Sums {
    /**
     * Passes the sums on as gradient batches, one a shard.
     *
     * @return bytes of the batches' indices and data
     */
    long flush(String source, long sequence, BiConsumer<Shard, GradientBatch> output);

    /** Tokens of the examples in the sums; 0 of a model that predicts none. */
    long tokens();
  }

  private final Counter counter = Meter.COUNTED_EXAMPLES.counter();
  private final Counter tokenCounter = Meter.COUNTED_TOKENS.counter();
  private final RejectionLog rejections = new RejectionLog(Stage.GRADIENT);
  private final PoolTopics topics;
  private final Producer<byte[], byte[]> producer;
  private final PoolProducer poolProducer;
  private final Supplier<ConsumerGroupMetadata> group;
  private final Backlog backlog;
  private final Predicate<ModelVersion> isOvertaken;
  private final ClaimListener listener;

  /**
   * Commits on a transactional producer whose transactions are initialised.
   *
   * @param group the consumer group to which the offsets belong, as it is now
   * @param isOvertaken whether a version accepts no more examples
   * @param listener is notified of counted examples
   */
  ClaimCommit(
      PoolTopics topics,
      Producer<byte[], byte[]> producer,
      Supplier<ConsumerGroupMetadata> group,
      Backlog backlog,
      Predicate<ModelVersion> isOvertaken,
      ClaimListener listener) {
    this.topics = topics;
    this.producer = producer;
    this.poolProducer = new PoolProducer(topics, producer);
    this.group = group;
    this.backlog = backlog;
    this.isOvertaken = isOvertaken;
    this.listener = listener;
  }

  /**
   * Commits the records that are handled without a claim.
   *
   * @return by partition: the offset before which all records are committed, where it has advanced
   */
  Map<TopicPartition, Long> commit() {
    producer.beginTransaction();
    return commitHandled();
  }

  /**
   * Ends a claim and commits it with the records that are handled.
   *
   * @return as {@link #commit()}
   */
  Map<TopicPartition, Long> commit(Claim claim, Sums sums) {
    producer.beginTransaction();
    List<PendingExample> counted = claim.end();
    long tokens = sums.tokens();
    if (!counted.isEmpty()) {
      flush(claim, counted, tokens, sums);
    }
    backlog.count(claim.model(), counted).forEach(poolProducer::counted);
    Map<TopicPartition, Long> done = commitHandled();
    counter.increment(counted.size());
    tokenCounter.increment((double) tokens);
    listener.counted(claim.version(), counted.size());
    return done;
  }

  private void flush(Claim claim, List<PendingExample> counted, long tokens, Sums sums) {
    PendingExample first = Claim.first(counted);
    long bytes =
        sums.flush(
            ShardKey.GRADIENT_SOURCE + first.partition(),
            first.offset(),
            poolProducer::gradientBatch);
    double seconds = claim.seconds(System.nanoTime());
    LOG.atInfo()
        .addKeyValue("model", claim.version().model())
        .addKeyValue("version", claim.version().version())
        .log(
            "{}: {} examples{} in {} s, {} examples/s, {} bytes to gradient-batches",
            claim.version(),
            counted.size(),
            tokens > 0 ? String.format(Locale.ROOT, " with %d tokens", tokens) : "",
            String.format(Locale.ROOT, "%.1f", seconds),
            String.format(Locale.ROOT, "%.1f", counted.size() / seconds),
            bytes);
  }

  private Map<TopicPartition, Long> commitHandled() {
    forgetOvertaken();
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    Map<TopicPartition, Long> done = new HashMap<>();
    backlog
        .takeHandled()
        .forEach(
            (number, handled) -> {
              TopicPartition partition = new TopicPartition(topics.examples().name(), number);
              offsets.put(partition, new OffsetAndMetadata(handled.nextOffset()));
              if (handled.advanced()) {
                done.put(partition, handled.nextOffset());
              }
              deadLetter(handled);
            });
    // Counted examples must be in their topic before the offsets are committed: a partition's next
    // owner reads that topic after it was given the offsets.
    poolProducer.flush();
    producer.sendOffsetsToTransaction(offsets, group.get());
    producer.commitTransaction();
    return done;
  }

  private void forgetOvertaken() {
    for (ModelVersion version : backlog.counted()) {
      if (isOvertaken.test(version)) {
        backlog
            .forget(version)
            .forEach(partition -> poolProducer.forgetCounted(partition, version));
      }
    }
  }

  @SuppressWarnings("FutureReturnValueIgnored") // the transaction's commit reports the failure
  private void deadLetter(Committable handled) {
    for (PendingExample rejected : handled.rejected()) {
      rejections.rejected(
          rejected.source().topic(),
          rejected.source().partition(),
          rejected.source().offset(),
          rejected.rejection());
      producer.send(
          DeadLetters.of(
              rejected.source(),
              topics.deadLetters().name(),
              Stage.GRADIENT,
              rejected.rejection()));
    }
  }
}
