package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import org.apache.kafka.common.errors.SerializationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings local copies of payloads back from the topics: on an instance that takes a partition over,
 * or after a crash that tore a file. Say in a {@link Batch} what is needed; what is at hand
 * already, by its checksum, is not read again. The batch then reads each topic once, from the first
 * needed record on.
 */
final class Recovery {
  private static final Logger LOG = LoggerFactory.getLogger(Recovery.class);
  private static final Duration POLL = Duration.ofMillis(200);

  /** Is told of a payload that its topic no longer has. */
  interface Losses {
    void lose(KnownModel model, Slot slot, boolean checkpoint);
  }

  private record Need(
      KnownModel model, Slot slot, String file, long position, int crc, boolean checkpoint) {}

  private final PoolTopics topics;
  private final PayloadLog log;
  private final PartitionPayloads payloads;
  private final Losses losses;
  private final int partition;
  private final ByteBuffer scratch;
  private final float[] values = new float[Shard.ELEMENTS];
  private final double[] doubles = new double[Shard.ELEMENTS];

  Recovery(
      PoolTopics topics, PayloadLog log, PartitionPayloads payloads, Losses losses, int partition) {
    this.topics = topics;
    this.log = log;
    this.payloads = payloads;
    this.losses = losses;
    this.partition = partition;
    this.scratch =
        ByteBuffer.allocateDirect(Shard.ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A batch in which nothing is needed yet. */
  Batch batch() {
    return new Batch();
  }

  /** Payloads that are read from the topics together. */
  final class Batch implements AutoCloseable {
    // A few hundred bytes each; consecutive ones of a model lie together in their topic, so that
    // several batches read no more than one.
    private static final int FULL = 4096;

    private final Map<String, Need> checkpoints = new HashMap<>();
    private final Map<String, Need> fishers = new HashMap<>();
    private long firstCheckpoint = Long.MAX_VALUE;
    private long firstFisher = Long.MAX_VALUE;
    private Reading<?> reading;

    /** Needs a shard's checkpoint. */
    void needCheckpoint(KnownModel model, Slot slot, ShardState state) {
      PayloadFile file = payloads.file(model.model(), model.version(), Intake.CHECKPOINT);
      if (!file.holds(
          slot.ordinal(), slot.firstByte(), slot.shard().bytes(), state.getCheckpointCrc())) {
        checkpoints.put(
            ShardKey.of(
                    model.model(),
                    model.version(),
                    slot.shard().tensor().name(),
                    slot.shard().index())
                .toString(),
            new Need(
                model, slot, Intake.CHECKPOINT, slot.firstByte(), state.getCheckpointCrc(), true));
        firstCheckpoint = Math.min(firstCheckpoint, state.getCheckpointOffset());
      }
    }

    /** Needs a shard's sealed Fisher. */
    void needFisher(KnownModel model, Slot slot, SealedFisher sealed) {
      need(
          model,
          slot,
          Intake.fisherFile(sealed.getEpoch()),
          sealed.getCrc(),
          sealed.getSource(),
          sealed.getSequence(),
          sealed.getOffset());
    }

    /**
     * Needs gradient batches of a shard's open epoch.
     *
     * @param file name of the file for the batch of a place in the list
     */
    void needBatches(
        KnownModel model, Slot slot, List<OpenBatch> batches, IntFunction<String> file) {
      for (int i = 0; i < batches.size(); i++) {
        OpenBatch batch = batches.get(i);
        need(
            model,
            slot,
            file.apply(i),
            batch.getCrc(),
            batch.getSource(),
            batch.getSequence(),
            batch.getOffset());
      }
    }

    private void need(
        KnownModel model,
        Slot slot,
        String name,
        int crc,
        String source,
        long sequence,
        long offset) {
      PayloadFile file = payloads.file(model.model(), model.version(), name);
      long position = slot.firstElement() * Float.BYTES;
      int bytes = slot.shard().elements() * Float.BYTES;
      if (!file.holds(slot.ordinal(), position, bytes, crc)) {
        fishers.put(
            ShardKey.of(
                    model.model(),
                    model.version(),
                    slot.shard().tensor().name(),
                    slot.shard().index(),
                    source,
                    sequence)
                .toString(),
            new Need(model, slot, name, position, crc, false));
        firstFisher = Math.min(firstFisher, offset);
      }
    }

    /** Whether nothing has to be read. */
    boolean isEmpty() {
      return checkpoints.isEmpty() && fishers.isEmpty();
    }

    /** Whether it is time to read before more is needed. */
    boolean isFull() {
      return checkpoints.size() + fishers.size() >= FULL;
    }

    /**
     * Reads what is needed, to the end. A payload that the topic no longer has counts as lost.
     *
     * @return whether everything came back
     */
    boolean run() {
      step(() -> false);
      return finish();
    }

    /**
     * Reads on until {@code isOver}.
     *
     * @return whether there is nothing more to read
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
     * Counts what did not come back as lost; the batch is empty then.
     *
     * @return whether everything came back
     */
    boolean finish() {
      boolean complete = isEmpty();
      checkpoints.values().forEach(Recovery.this::lose);
      fishers.values().forEach(Recovery.this::lose);
      checkpoints.clear();
      fishers.clear();
      firstCheckpoint = Long.MAX_VALUE;
      firstFisher = Long.MAX_VALUE;
      close();
      return complete;
    }

    /** Reads no further. */
    @Override
    public void close() {
      if (reading != null) {
        reading.close();
        reading = null;
      }
    }

    private String restoreCheckpoint(CheckpointShard record) {
      String key =
          ShardKey.of(
                  record.getModel(), record.getVersion(), record.getParameter(), record.getShard())
              .toString();
      Need need = checkpoints.get(key);
      return need != null && write(need, record.getData()) ? key : null;
    }

    private String restoreFisher(GradientBatch record) {
      String key =
          ShardKey.of(
                  record.getModel(),
                  record.getVersion(),
                  record.getParameter(),
                  record.getShard(),
                  record.getSource(),
                  record.getSequence())
              .toString();
      Need need = fishers.get(key);
      if (need == null) {
        return null;
      }
      ByteBuffer payload =
          BatchPayload.decode(record, need.slot().shard().elements(), doubles, values, scratch);
      return write(need, payload) ? key : null;
    }
  }

  private void lose(Need need) {
    losses.lose(need.model(), need.slot(), need.checkpoint());
  }

  private interface Restorer<V> {
    /** The need that the record meets, written to its file; null for any other record. */
    String restore(V record);
  }

  /** One topic, read from the first needed record to its present end. */
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
        cursor.poll(POLL).forEach(this::take);
        if (isOver.getAsBoolean()) {
          return false;
        }
      }
      close();
      return true;
    }

    private void take(PayloadLog.Entry entry) {
      if (entry.value() == null) {
        return;
      }
      try {
        String met =
            restorer.restore(topic.value().deserializer().deserialize(topic.name(), entry.value()));
        if (met != null) {
          needs.remove(met);
        }
      } catch (SerializationException | IllegalArgumentException e) {
        LOG.debug("{} offset {} was refused when it came", topic.name(), entry.offset(), e);
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
      return false; // another content under the same name, refused when it came
    }
    payloads
        .file(need.model().model(), need.model().version(), need.file())
        .write(need.slot().ordinal(), need.position(), data);
    return true;
  }
}
