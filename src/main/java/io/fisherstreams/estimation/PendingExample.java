package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.record.ModelVersion;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** A record of topic {@code examples} that its worker has read, until its offset is committed. */
final class PendingExample {
  private enum State {
    WAITING,
    TAKEN,
    COUNTED,
    REFUSED
  }

  private final int partition;
  private final long offset;
  private final EstimatedModel model;
  private final long index;
  private ConsumerRecord<byte[], byte[]> source;
  private Example example;
  private State state;
  private String refusal;
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

  /** A record that is refused at once. */
  static PendingExample refused(ConsumerRecord<byte[], byte[]> source, String reason) {
    PendingExample record = new PendingExample(source, null, null);
    record.refuse(reason);
    return record;
  }

  int partition() {
    return partition;
  }

  long offset() {
    return offset;
  }

  /** The record as it came; null once its content went into sums. */
  ConsumerRecord<byte[], byte[]> source() {
    return source;
  }

  EstimatedModel model() {
    return model;
  }

  ModelVersion version() {
    return model.version();
  }

  /** Null once it went into sums or is refused. */
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

  /** Gives it its place in the order of arrival. */
  void arrive(long place) {
    arrival = place;
  }

  long arrival() {
    return arrival;
  }

  /** It belongs to the claim under way. */
  void take() {
    state = State.TAKEN;
  }

  /** It is in the claim's sums, and its content no longer needed. */
  void release() {
    source = null;
    example = null;
  }

  /** It is counted for good. */
  void count() {
    release();
    state = State.COUNTED;
  }

  /** It goes to the dead letters. */
  void refuse(String reason) {
    state = State.REFUSED;
    refusal = reason;
    example = null;
  }

  boolean isWaiting() {
    return state == State.WAITING;
  }

  boolean isRefused() {
    return state == State.REFUSED;
  }

  /** Whether it is counted or refused. */
  boolean isHandled() {
    return state == State.COUNTED || state == State.REFUSED;
  }

  /** Why it is refused. */
  String refusal() {
    return refusal;
  }
}
