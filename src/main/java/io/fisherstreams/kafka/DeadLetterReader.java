package io.fisherstreams.kafka;

import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.PoolTopics;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Reads a pool's dead letters. */
public final class DeadLetterReader {
  /** Offsets that {@link #summary} looks at: each letter may have megabytes. */
  static final int MAX_SUMMED = 1000;

  /**
   * How many dead letters there are.
   *
   * @param count those that were counted
   * @param isAll whether there are no more
   * @param newest the one with the highest offset, if there is any
   */
  public record Summary(long count, boolean isAll, Optional<DeadLetter> newest) {
    /** One line for people. */
    public String text() {
      return newest
          .map(
              letter ->
                  String.format(
                      Locale.ROOT,
                      "dead letters: %d%s; the newest is at offset %d: %s: %s",
                      count,
                      isAll ? "" : " or more",
                      letter.offset(),
                      letter.place(),
                      letter.reason()))
          .orElse("dead letters: 0");
    }
  }

  private final KafkaSettings kafka;
  private final TopicPartition partition;

  /** Reads one pool's dead letters. */
  public DeadLetterReader(KafkaSettings kafka, PoolTopics topics) {
    this.kafka = kafka;
    partition = new TopicPartition(topics.deadLetters().name(), 0);
  }

  /** Hands every dead letter over, oldest first. */
  public void all(java.util.function.Consumer<DeadLetter> action) {
    try (Consumer<byte[], byte[]> consumer = consumer()) {
      consumer.seekToBeginning(List.of(partition));
      TopicReader.readToEnd(
          consumer, List.of(partition), record -> action.accept(DeadLetter.of(record)));
    }
  }

  /** The dead letter at an offset of {@code dead-letters}, if there is one. */
  public Optional<DeadLetter> find(long offset) {
    try (Consumer<byte[], byte[]> consumer = consumer()) {
      long begin = consumer.beginningOffsets(List.of(partition)).get(partition);
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      if (offset < begin || offset >= end) {
        return Optional.empty();
      }
      consumer.seek(partition, offset);
      AtomicReference<DeadLetter> found = new AtomicReference<>();
      TopicReader.readTo(
          consumer,
          Map.of(partition, offset + 1),
          () -> false,
          records -> {
            for (ConsumerRecord<byte[], byte[]> record : records) {
              if (record.offset() == offset) {
                found.set(DeadLetter.of(record));
              }
            }
          });
      return Optional.ofNullable(found.get());
    }
  }

  /** Counts the newest dead letters, and names the newest. */
  public Summary summary() {
    try (Consumer<byte[], byte[]> consumer = consumer()) {
      long begin = consumer.beginningOffsets(List.of(partition)).get(partition);
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      long from = Math.max(begin, end - MAX_SUMMED);
      consumer.seek(partition, from);
      long[] count = {0};
      AtomicReference<DeadLetter> newest = new AtomicReference<>();
      TopicReader.readToEnd(
          consumer,
          List.of(partition),
          record -> {
            count[0]++;
            newest.set(DeadLetter.of(record));
          });
      return new Summary(count[0], from == begin, Optional.ofNullable(newest.get()));
    }
  }

  private Consumer<byte[], byte[]> consumer() {
    Consumer<byte[], byte[]> consumer = kafka.newConsumer();
    consumer.assign(List.of(partition));
    return consumer;
  }
}
