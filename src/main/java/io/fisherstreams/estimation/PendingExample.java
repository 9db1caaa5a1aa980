package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Rejection;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** A record of topic {@code examples} that its worker has read, until its offset is committed. */
final class PendingExample {
  private enum State {
    WAITING,
    CLAIMED,
    COUNTED,
    REJECTED
  }

  private final int partition;
  private final long offset;
  private final EstimatedModel model;
  private final long index;
  private ConsumerRecord<byte[], byte[]> source;
  private Example example;
  private State state;
  private Rejection rejection;
  private long arrival;

  private PendingExample(
      ConsumerRecord<byte[], byte[]> source, EstimatedModel model, Example example) {
    this.partition = source.partition();
    this.offset = source.offset();
    this.source = source;
    this.model = model;
    this.example = example;
    this.index = example == null ? -1 : example.index();
    this.state = State.WAITING;
  }

  /** An example that is to be counted. */
  static PendingExample of(
      ConsumerRecord<byte[], byte[]> source, EstimatedModel model, Example example) {
    return new PendingExample(source, model, example);
  }

  /** A record that is rejected at once. */
  static PendingExample rejected(ConsumerRecord<byte[], byte[]> source, Rejection rejection) {
    PendingExample record = new PendingExample(source, null, null);
    record.reject(rejection);
    return record;
  }

  int partition() {
    return partition;
  }

  long offset() {
    return offset;
  }

  /** The record as it was read; null once its content is in sums. */
  ConsumerRecord<byte[], byte[]> source() {
    return source;
  }

  EstimatedModel model() {
    return model;
  }

  ModelVersion version() {
    return model.version();
  }

  /** Null once it is in sums or rejected. */
  Example example() {
    return example;
  }

  long index() {
    return index;
  }

  /** Bytes that it still holds. */
  long bytes() {
    return source == null ? 0 : Math.max(0, source.serializedValueSize());
  }

  /** Numbers it in the order of arrival. */
  void arrive(long number) {
    arrival = number;
  }

  long arrival() {
    return arrival;
  }

  /** Marks it as part of the claim under way. */
  void claim() {
    state = State.CLAIMED;
  }

  /** Drops its content, which is now in the claim's sums. */
  void release() {
    source = null;
    example = null;
  }

  /** Marks it as counted, which is final. */
  void count() {
    release();
    state = State.COUNTED;
  }

  /** Marks it as rejected, so that its commit dead-letters it. */
  void reject(Rejection why) {
    state = State.REJECTED;
    rejection = why;
    example = null;
  }

  boolean isWaiting() {
    return state == State.WAITING;
  }

  boolean isRejected() {
    return state == State.REJECTED;
  }

  /** Whether it is counted or rejected. */
  boolean isHandled() {
    return state == State.COUNTED || state == State.REJECTED;
  }

  /** Why it is rejected. */
  Rejection rejection() {
    return rejection;
  }
}
