package io.fisherstreams.merge;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * The models that a plan merges, read from the topics while the pool runs: the base, each model's
 * merged parameters and, if the method reads them, the sealed Fishers.
 */
public final class StoredModels {
  private final StoredPlan stored;
  private final boolean readsFishers;

  /** Receives the models' shards, each once, in any order. */
  public interface Sink {
    /**
     * A shard of a checkpoint.
     *
     * @param model the base's or a model's name
     * @param bytes little-endian, in the shard's own type; valid during the call
     */
    void checkpoint(String model, Shard shard, ByteBuffer bytes);

    /**
     * A shard of a diagonal Fisher.
     *
     * @param means the mean squared gradients, little-endian float32; valid during the call
     */
    void fisher(String model, Shard shard, ByteBuffer means);
  }

  /**
   * The models of a plan that was carried out.
   *
   * @param partitions number of partitions of the pool's sharded topics
   * @throws InvalidInput when the merge stage no longer has one of the plan's models
   */
  public StoredModels(KafkaSettings kafka, PoolTopics topics, int partitions, MergePlan plan) {
    stored = new StoredPlan(kafka, topics, partitions, plan);
    readsFishers = MergeMethods.formula(plan.getMethod()).readsFishers();
  }

  /** The base's manifest. */
  public ModelManifest base() {
    return stored.base();
  }

  /** The models' manifests, in the plan's order. */
  public List<ModelManifest> manifests() {
    return stored.manifests();
  }

  /** Whether the plan's method reads Fishers, so that {@link Sink#fisher} is called. */
  public boolean readsFishers() {
    return readsFishers;
  }

  /** Bytes that {@link #read} passes on. */
  public long bytes() {
    long bytes = ManifestTensors.all(stored.base()).stream().mapToLong(TensorInfo::bytes).sum();
    for (ModelManifest model : stored.manifests()) {
      for (TensorInfo tensor : ManifestTensors.mergedCheckpoint(model)) {
        bytes += tensor.bytes() + (readsFishers ? tensor.elements() * Float.BYTES : 0);
      }
    }
    return bytes;
  }

  /**
   * Reads all shards.
   *
   * @param directory for the payload files of one partition at a time
   * @param progress gets the number of bytes that were passed on
   * @throws InvalidInput when something was retired since the plan, or is gone from its topic
   */
  public void read(Path directory, Sink sink, LongConsumer progress) {
    try (PayloadStore store = PayloadStore.open(directory)) {
      for (int partition = 0; partition < stored.partitions(); partition++) {
        try (PartitionPayloads payloads = store.partition(partition)) {
          new Part(partition, payloads, sink, progress).read();
        }
      }
    }
  }

  /** One partition. */
  private final class Part {
    private final ByteBuffer scratch =
        ByteBuffer.allocateDirect(Shard.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final int partition;
    private final PartitionPayloads payloads;
    private final Sink sink;
    private final LongConsumer progress;
    private final Map<String, ShardState> states;

    Part(int partition, PartitionPayloads payloads, Sink sink, LongConsumer progress) {
      this.partition = partition;
      this.payloads = payloads;
      this.sink = sink;
      this.progress = progress;
      this.states = stored.states(partition);
    }

    void read() {
      read(stored.base(), null);
      for (int i = 0; i < stored.manifests().size(); i++) {
        read(stored.manifests().get(i), stored.plan().getModels().get(i));
      }
    }

    /**
     * Reads one model.
     *
     * @param planned null for the base, which is read whole
     */
    private void read(ModelManifest manifest, PlannedModel planned) {
      KnownModel model = new KnownModel(manifest, partition, stored.partitions());
      List<Slot> slots =
          model.checkpoint().slots().stream()
              .filter(slot -> planned == null || isMerged(model, slot))
              .toList();
      restore(model, slots, planned);
      for (Slot slot : slots) {
        pass(model, slot);
        if (planned != null && readsFishers) {
          passFisher(model, slot.shard(), planned);
        }
      }
      payloads.drop(model.version());
    }

    private boolean isMerged(KnownModel model, Slot slot) {
      return model.fisher().slot(slot.shard().tensor().name(), slot.shard().index()) != null;
    }

    private void restore(KnownModel model, List<Slot> slots, PlannedModel planned) {
      try (Recovery.RestoreRequest request = stored.recovery(payloads, partition).request()) {
        for (Slot slot : slots) {
          ShardState state = states.get(Ledger.key(model, slot.shard()));
          if (state == null || state.getCheckpointOffset() < 0) {
            throw PlannedModels.gone(stored.plan(), slot.shard().id() + " of " + model.id());
          }
          request.needCheckpoint(model, slot, state);
          if (planned != null && readsFishers) {
            request.needFisher(
                model,
                fisherSlot(model, slot.shard()),
                stored.sealed(states, model, planned, slot.shard()));
          }
          if (request.isFull()) {
            request.run();
          }
        }
        request.run();
      }
    }

    private Slot fisherSlot(KnownModel model, Shard shard) {
      return model.fisherSlot(shard.tensor().name(), shard.index());
    }

    private void pass(KnownModel model, Slot slot) {
      int bytes = slot.shard().bytes();
      PayloadFile file = payloads.file(model.version(), PayloadName.CHECKPOINT);
      file.read(slot.firstByte(), bytes, scratch);
      sink.checkpoint(model.manifest().getModel(), slot.shard(), front(bytes));
      progress.accept(bytes);
    }

    private void passFisher(KnownModel model, Shard shard, PlannedModel planned) {
      int bytes = shard.elements() * Float.BYTES;
      SealedFisher sealed = stored.sealed(states, model, planned, shard);
      payloads
          .file(model.version(), PayloadName.fisher(planned.getEpoch()))
          .read(fisherSlot(model, shard).firstElement() * Float.BYTES, bytes, scratch);
      for (int at = 0; at < bytes; at += Float.BYTES) {
        scratch.putFloat(at, (float) (scratch.getFloat(at) / sealed.getDivisor()));
      }
      sink.fisher(model.manifest().getModel(), shard, front(bytes));
      progress.accept(bytes);
    }

    private ByteBuffer front(int bytes) {
      return scratch.duplicate().order(ByteOrder.LITTLE_ENDIAN).position(0).limit(bytes);
    }
  }
}
