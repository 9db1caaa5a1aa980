package io.fisherstreams.merge.payload;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** A payload log that uses one Kafka consumer for each open cursor. */
public final class TopicPayloadLog implements PayloadLog {
  private final Supplier<Consumer<byte[], byte[]>> consumers;

  /**
   * A log that gets its consumers (no group, committed records only) from the supplier and closes
   * them.
   */
  public TopicPayloadLog(Supplier<Consumer<byte[], byte[]>> consumers) {
    this.consumers = consumers;
  }

  @Override
  public Cursor open(String topic, int partition, long offset) {
    TopicPartition where = new TopicPartition(topic, partition);
    Consumer<byte[], byte[]> consumer = consumers.get();
    consumer.assign(List.of(where));
    long end = consumer.endOffsets(List.of(where)).get(where);
    long first = consumer.beginningOffsets(List.of(where)).get(where);
    consumer.seek(where, Math.max(first, Math.min(offset, end)));
    return new Cursor() {
      @Override
      public List<Entry> poll(Duration timeout) {
        List<Entry> entries = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(timeout)) {
          entries.add(new Entry(record.offset(), record.value()));
        }
        return entries;
      }

      @Override
      public boolean atEnd() {
        return consumer.position(where) >= end;
      }

      @Override
      public void close() {
        consumer.close();
      }
    };
  }
}
