package io.fisherstreams.kafka;

import io.fisherstreams.Backoff;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;

/**
 * Tells a publisher what became of its records. The brokers accept every record; the stage that
 * reads it may reject it later, into {@code dead-letters}.
 */
public final class SentRecords implements AutoCloseable {
  private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
  private static final Duration MAX_PAUSE = Duration.ofMillis(500);

  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final Admin admin;
  private final TopicPartition deadLetters;
  private final long deadLettersBefore;

  /**
   * What became of records.
   *
   * @param rejected how many of them lie in {@code dead-letters}
   * @param reason why the first of these was rejected
   * @param unknown why it is not known of all of them; empty when the stage has read them all
   */
  public record Outcome(long rejected, Optional<String> reason, Optional<String> unknown) {}

  private SentRecords(KafkaSettings kafka, PoolTopics topics, Admin admin) {
    this.kafka = kafka;
    this.topics = topics;
    this.admin = admin;
    this.deadLetters = new TopicPartition(topics.deadLetters().name(), 0);
    this.deadLettersBefore = Offsets.ends(admin, List.of(deadLetters)).get(deadLetters);
  }

  /** Watches from now on; to be called before the records are sent. */
  public static SentRecords watch(KafkaSettings kafka, PoolTopics topics) {
    Admin admin = kafka.admin();
    try {
      return new SentRecords(kafka, topics, admin);
    } catch (RuntimeException e) {
      admin.close();
      throw e;
    }
  }

  /**
   * Waits until the stage has read records, or makes no progress.
   *
   * @param sent where they lie
   * @param model whose they are, for records of other producers between them
   * @param patience how long to wait while the stage reads nothing more
   */
  public Outcome await(
      Stage stage, Map<TopicPartition, OffsetRange> sent, String model, Duration patience) {
    Optional<String> unknown = awaitRead(stage, sent, patience);
    long[] rejected = new long[1];
    String[] reason = new String[1];
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      consumer.assign(List.of(deadLetters));
      consumer.seek(deadLetters, deadLettersBefore);
      // The stage's transaction may be over in the topic of offsets, and not yet in this one.
      TopicReader.readTo(
          consumer,
          Offsets.ends(admin, List.of(deadLetters)),
          () -> false,
          letters -> {
            for (ConsumerRecord<byte[], byte[]> letter : letters) {
              if (isOne(letter, sent, model)) {
                rejected[0]++;
                reason[0] = reason[0] == null ? DeadLetters.reason(letter.headers()) : reason[0];
              }
            }
          });
    }
    return new Outcome(rejected[0], Optional.ofNullable(reason[0]), unknown);
  }

  private static boolean isOne(
      ConsumerRecord<byte[], byte[]> letter, Map<TopicPartition, OffsetRange> sent, String model) {
    boolean isModels =
        letter.key() == null || new String(letter.key(), StandardCharsets.UTF_8).contains(model);
    return isModels
        && DeadLetters.origin(letter.headers())
            .filter(
                origin ->
                    Optional.ofNullable(sent.get(origin.partition()))
                        .filter(range -> range.has(origin.offset()))
                        .isPresent())
            .isPresent();
  }

  /** Why the stage has not read all of it; empty when it has. */
  private Optional<String> awaitRead(
      Stage stage, Map<TopicPartition, OffsetRange> sent, Duration patience) {
    String group = stage.group(topics.pool());
    Backoff backoff = new Backoff(FIRST_PAUSE, MAX_PAUSE);
    long left = Long.MAX_VALUE;
    long since = System.nanoTime();
    while (true) {
      try {
        long now = unread(group, sent);
        if (now == 0) {
          return Optional.empty();
        }
        if (admin
            .describeConsumerGroups(List.of(group))
            .all()
            .get()
            .get(group)
            .members()
            .isEmpty()) {
          return Optional.of("no instance of stage " + stage.text() + " is running");
        }
        if (now < left) {
          left = now;
          since = System.nanoTime();
        } else if (System.nanoTime() - since > patience.toNanos()) {
          return Optional.of(
              "stage "
                  + stage.text()
                  + " still has "
                  + now
                  + " records before it has read them all");
        }
        Thread.sleep(backoff.next().toMillis());
      } catch (ExecutionException e) {
        if (e.getCause() instanceof AuthorizationException) {
          return Optional.of("this user may not read group " + group);
        }
        if (e.getCause() instanceof org.apache.kafka.common.errors.GroupIdNotFoundException) {
          return Optional.of("no instance of stage " + stage.text() + " is running");
        }
        throw new InvalidInput(
            "cannot ask what became of the records: " + e.getCause().getMessage(), e.getCause());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptException(e);
      }
    }
  }

  private long unread(String group, Map<TopicPartition, OffsetRange> sent)
      throws ExecutionException, InterruptedException {
    Map<TopicPartition, OffsetAndMetadata> committed =
        new HashMap<>(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
    long unread = 0;
    for (Map.Entry<TopicPartition, OffsetRange> entry : sent.entrySet()) {
      OffsetAndMetadata done = committed.get(entry.getKey());
      OffsetRange range = entry.getValue();
      long from = done == null ? range.first() : done.offset();
      unread += Math.max(0, range.end() - from);
    }
    return unread;
  }

  @Override
  public void close() {
    admin.close(Duration.ZERO);
  }
}
