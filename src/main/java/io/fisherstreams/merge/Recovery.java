package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Timer;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import org.apache.kafka.common.errors.SerializationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Restores local copies of payloads from the topics: on an instance to which a partition was
 * assigned, after a crash that damaged a file, or where they are not kept ({@link LocalPayloads}).
 * A {@link RestoreRequest} lists the needed payloads; those that are available locally, by their
 * checksums, are not read again. The request then reads each topic once, from the first needed
 * record on. Used by one thread.
 */
final class Recovery {
  private static final Logger LOG = LoggerFactory.getLogger(Recovery.class);
  private static final Duration POLL = Duration.ofMillis(200);

  /** Is notified of each payload that its topic no longer has. */
  interface Losses {
    void lose(KnownModel model, Slot slot, boolean checkpoint);
  }

  private record Need(
      KnownModel model, Slot slot, PayloadName file, long position, int crc, boolean checkpoint) {}

  private final PoolTopics topics;
  private final PayloadLog log;
  private final PartitionPayloads payloads;
  private final Losses losses;
  private final int partition;
  private final BatchPayload scratch = new BatchPayload();
  private final Counter restored = Meter.RESTORED_BYTES.counter();
  private final Timer restoring = Meter.RESTORE_TIME.timer();

  Recovery(
      PoolTopics topics, PayloadLog log, PartitionPayloads payloads, Losses losses, int partition) {
    this.topics = topics;
    this.log = log;
    this.payloads = payloads;
    this.losses = losses;
    this.partition = partition;
  }

  /** An empty request. */
  RestoreRequest request() {
    return new RestoreRequest();
  }

  /** Payloads that are read from the topics together. */
  final class RestoreRequest implements AutoCloseable {
    // A few hundred bytes each. Consecutive payloads of a model are neighbours in their topic, so
    // several requests read no more than one.
    private static final int MAX_NEEDS = 4096;

    private final Map<String, Need> checkpoints = new HashMap<>();
    private final Map<String, Need> fishers = new HashMap<>();
    private long firstCheckpoint = Long.MAX_VALUE;
    private long firstFisher = Long.MAX_VALUE;
    private Reading<?> reading;
    private long start;

    /** Adds a shard's checkpoint. */
    void needCheckpoint(KnownModel model, Slot slot, ShardState state) {
      int crc = state.getCheckpointCrc();
      PayloadFile file = payloads.file(model.version(), PayloadName.CHECKPOINT);
      if (!file.holds(slot.ordinal(), slot.firstByte(), slot.shard().bytes(), crc)) {
        checkpoints.put(
            ShardKey.of(model.version(), slot.shard()).toString(),
            new Need(model, slot, PayloadName.CHECKPOINT, slot.firstByte(), crc, true));
        firstCheckpoint = Math.min(firstCheckpoint, state.getCheckpointOffset());
      }
    }

    /** Adds a shard's sealed Fisher. */
    void needFisher(KnownModel model, Slot slot, SealedFisher sealed) {
      if (isMissing(model, slot, PayloadName.fisher(sealed.getEpoch()), sealed.getCrc())) {
        need(
            model,
            slot,
            PayloadName.fisher(sealed.getEpoch()),
            sealed.getCrc(),
            ShardKey.of(model.version(), slot.shard(), sealed.getSource(), sealed.getSequence()),
            sealed.getOffset());
      }
    }

    /**
     * Adds gradient batches of a shard's open epoch.
     *
     * @param name file of the batch at a position of the list
     */
    void needBatches(
        KnownModel model, Slot slot, List<OpenBatch> batches, IntFunction<PayloadName> name) {
      for (int i = 0; i < batches.size(); i++) {
        OpenBatch batch = batches.get(i);
        if (isMissing(model, slot, name.apply(i), batch.getCrc())) {
          need(
              model,
              slot,
              name.apply(i),
              batch.getCrc(),
              ShardKey.of(model.version(), slot.shard(), batch.getSource(), batch.getSequence()),
              batch.getOffset());
        }
      }
    }

    private boolean isMissing(KnownModel model, Slot slot, PayloadName name, int crc) {
      return !payloads
          .file(model.version(), name)
          .holds(
              slot.ordinal(),
              slot.firstElement() * Float.BYTES,
              slot.shard().elements() * Float.BYTES,
              crc);
    }

    private void need(
        KnownModel model, Slot slot, PayloadName name, int crc, ShardKey key, long offset) {
      fishers.put(
          key.toString(),
          new Need(model, slot, name, slot.firstElement() * Float.BYTES, crc, false));
      firstFisher = Math.min(firstFisher, offset);
    }

    /** Whether nothing has to be read. */
    boolean isEmpty() {
      return checkpoints.isEmpty() && fishers.isEmpty();
    }

    /** Whether the request should be read before more is added. */
    boolean isFull() {
      return checkpoints.size() + fishers.size() >= MAX_NEEDS;
    }

    /**
     * Restores all payloads of the request. A payload that its topic no longer has counts as lost.
     *
     * @return whether all were restored
     */
    boolean run() {
      step(() -> false);
      return finish();
    }

    /**
     * Continues to read until {@code isOver}.
     *
     * @return whether everything has been read
     */
    boolean step(BooleanSupplier isOver) {
      if (reading == null) {
        if (isEmpty()) {
          return true;
        }
        LOG.info(
            "partition {}: restoring {} checkpoint and {} Fisher shard(s) from their topics",
            partition,
            checkpoints.size(),
            fishers.size());
        start = System.nanoTime();
        reading =
            new Reading<>(
                topics.checkpointShards(), firstCheckpoint, checkpoints, this::restoreCheckpoint);
      }
      if (!reading.step(isOver)) {
        return false;
      }
      if (reading.needs == checkpoints) {
        reading =
            new Reading<>(topics.gradientBatches(), firstFisher, fishers, this::restoreFisher);
      }
      return reading.step(isOver);
    }

    /**
     * Reports the payloads that were not restored as lost, and empties the request.
     *
     * @return whether all were restored
     */
    boolean finish() {
      boolean complete = isEmpty();
      if (reading != null) {
        restoring.record(System.nanoTime() - start, TimeUnit.NANOSECONDS);
      }
      checkpoints.values().forEach(Recovery.this::lose);
      fishers.values().forEach(Recovery.this::lose);
      checkpoints.clear();
      fishers.clear();
      firstCheckpoint = Long.MAX_VALUE;
      firstFisher = Long.MAX_VALUE;
      close();
      return complete;
    }

    /** Stops reading. */
    @Override
    public void close() {
      if (reading != null) {
        reading.close();
        reading = null;
      }
    }

    private String restoreCheckpoint(CheckpointShard record) {
      String key = ShardKey.of(record).toString();
      Need need = checkpoints.get(key);
      return need != null && write(need, record.getData()) ? key : null;
    }

    private String restoreFisher(GradientBatch record) {
      String key = ShardKey.of(record).toString();
      Need need = fishers.get(key);
      return need != null && write(need, scratch.decode(record, need.slot().shard().elements()))
          ? key
          : null;
    }
  }

  private void lose(Need need) {
    losses.lose(need.model(), need.slot(), need.checkpoint());
  }

  private interface Restorer<V> {
    /** Writes the record's payload to its file; returns its key, or null when it is not needed. */
    String restore(V record);
  }

  /** Reads one topic from the first needed record to its current end. */
  private final class Reading<V> implements AutoCloseable {
    private final Topic<ShardKey, V> topic;
    private final Map<String, Need> needs;
    private final Restorer<V> restorer;
    private final PayloadLog.Cursor cursor;

    Reading(Topic<ShardKey, V> topic, long first, Map<String, Need> needs, Restorer<V> restorer) {
      this.topic = topic;
      this.needs = needs;
      this.restorer = restorer;
      this.cursor = needs.isEmpty() ? null : log.open(topic.name(), partition, first);
    }

    boolean step(BooleanSupplier isOver) {
      while (!needs.isEmpty() && !cursor.atEnd()) {
        cursor.poll(POLL).forEach(this::restore);
        if (isOver.getAsBoolean()) {
          return false;
        }
      }
      close();
      return true;
    }

    private void restore(PayloadLog.Entry entry) {
      if (entry.value() == null) {
        return;
      }
      try {
        String restored =
            restorer.restore(topic.value().deserializer().deserialize(topic.name(), entry.value()));
        if (restored != null) {
          needs.remove(restored);
        }
      } catch (SerializationException | IllegalArgumentException e) {
        LOG.debug("{} offset {} was rejected when it arrived", topic.name(), entry.offset(), e);
      }
    }

    @Override
    public void close() {
      if (cursor != null) {
        cursor.close();
      }
    }
  }

  private boolean write(Need need, ByteBuffer data) {
    if (PayloadFile.crc(data) != need.crc()) {
      return false; // different content under this name, which was rejected when it arrived
    }
    restored.increment(data.remaining());
    payloads
        .file(need.model().version(), need.file())
        .write(need.slot().ordinal(), need.position(), data);
    return true;
  }
}
