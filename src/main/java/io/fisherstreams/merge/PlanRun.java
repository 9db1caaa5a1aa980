package io.fisherstreams.merge;

import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.fisher.FisherMerge.Term;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.ReleaseDigest;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries a merge plan out in one partition, step by step: each step ends after a time budget, so
 * that records keep flowing, and leaves its place in {@link PlanState}, which commits together with
 * what the step emitted. A newer plan simply takes the older one's place.
 */
final class PlanRun implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PlanRun.class);

  // Sums, parameters and Fishers of one block stay in a core's own cache; a smaller one would be
  // read by more calls.
  private static final int BLOCK = 32_768;

  /** Where the results go. */
  interface Output {
    void merged(MergedTensor tensor);

    void done(ReleaseProgress progress);

    /** Retires the payload records of a shard from the topics. */
    void retireCheckpoint(KnownModel model, Shard shard);

    void retireFisher(KnownModel model, Shard shard, String source, long sequence);

    void retireProgress(KnownModel model);
  }

  /** One of the plan's models beside its manifest. */
  private record Participant(PlannedModel planned, KnownModel model) {}

  private final Ledger ledger;
  private final PartitionPayloads payloads;
  private final Recovery recovery;
  private final Output output;
  private final LongSupplier nanoTime;

  private final double[] result = new double[BLOCK];
  private final Block block = new Block();
  private final Block nextBlock = new Block();
  private final ByteBuffer merged =
      ByteBuffer.allocate(Shard.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  private PlanState state;
  private KnownModel base;
  private MergeSet mergeSet;
  private DType outputDtype;
  private FisherMerge kernel;
  private List<Participant> participants;
  private Preparation preparation;
  private boolean isBlocked;
  private long arrivals;
  private long losses;

  PlanRun(
      Ledger ledger,
      PartitionPayloads payloads,
      Recovery recovery,
      Output output,
      LongSupplier nanoTime) {
    this.ledger = ledger;
    this.payloads = payloads;
    this.recovery = recovery;
    this.output = output;
    this.nanoTime = nanoTime;
  }

  /** Takes a plan up, from the place that its state gives. */
  void begin(PlanState planState) {
    abandonPreparation();
    state = planState;
    base = null;
    isBlocked = false;
  }

  /** The newest plan and how far it is, or null. */
  PlanState state() {
    return state;
  }

  /** Ends the reading that a preparation may have open. */
  @Override
  public void close() {
    abandonPreparation();
  }

  /** Whether nothing is left to do. */
  boolean isIdle() {
    return state == null || (state.getDone() && state.getCleared());
  }

  /**
   * Works for about {@code budgetNanos}.
   *
   * @return whether the state changed
   */
  boolean step(long budgetNanos) {
    if (isIdle()) {
      return false;
    }
    long deadline = nanoTime.getAsLong() + budgetNanos;
    if (!state.getDone()) {
      if (losses != ledger.losses()) {
        abandonPreparation();
        base = null;
      }
      if (base == null && !prepare(() -> nanoTime.getAsLong() - deadline >= 0)) {
        return state.getDone();
      }
      List<Slot> slots = base.checkpoint().slots();
      while (state.getNext() < slots.size()) {
        merge(slots.get(state.getNext()));
        state.setNext(state.getNext() + 1);
        if (nanoTime.getAsLong() - deadline >= 0) {
          return true;
        }
      }
      state.setDone(true);
      output.done(
          new ReleaseProgress(
              state.getPlan().getRelease(),
              (long) slots.size(),
              state.getChecksum(),
              state.getUnweighted()));
      return true;
    }
    return clear(deadline);
  }

  /**
   * Resolves the plan's models and makes sure that all their payloads are at hand; false when some
   * are not, or not yet. Where nothing has arrived since some were lacking, they still are.
   */
  private boolean prepare(BooleanSupplier isOver) {
    if (preparation == null) {
      if (isBlocked && arrivals == ledger.arrivals()) {
        return false;
      }
      arrivals = ledger.arrivals();
      losses = ledger.losses();
      isBlocked = false;
      Optional<KnownModel> found = resolve();
      if (found.isEmpty()) {
        // No shard of the base belongs to this partition: nothing to merge here.
        state.setDone(true);
        output.done(new ReleaseProgress(state.getPlan().getRelease(), 0L, 0L, 0L));
        return false;
      }
      preparation = new Preparation(found.get());
    }
    if (!preparation.step(isOver)) {
      return false;
    }
    isBlocked = !preparation.complete;
    losses = ledger.losses();
    if (isBlocked) {
      LOG.error("release {} cannot be made now: payloads are lost", state.getPlan().getRelease());
    } else {
      base = preparation.baseModel;
    }
    preparation = null;
    return !isBlocked;
  }

  private void abandonPreparation() {
    if (preparation != null) {
      preparation.batch.close();
      preparation = null;
    }
  }

  /** Finds the plan's models in the ledger; empty when it does not have the base. */
  private Optional<KnownModel> resolve() {
    MergePlan plan = state.getPlan();
    Optional<KnownModel> found = ledger.held(plan.getBaseModel(), plan.getBaseVersion());
    if (found.isEmpty()) {
      return found;
    }
    mergeSet =
        MergeSet.of(
            ManifestTensors.all(found.get().manifest()),
            plan.getMethod().getExcludeParamNamesRegex());
    outputDtype =
        plan.getMethod().getOutputDtype() == null
            ? null
            : DType.of(plan.getMethod().getOutputDtype()).orElseThrow();
    kernel = new FisherMerge(BLOCK, plan.getMethod().getMinimalFisherWeight());
    participants = new ArrayList<>();
    for (PlannedModel planned : plan.getModels()) {
      ledger
          .held(planned.getModel(), planned.getVersion())
          .ifPresent(model -> participants.add(new Participant(planned, model)));
    }
    return found;
  }

  /**
   * Looks for everything that the shards from the plan's place on are made of, and restores what is
   * not at hand: the base model's unmerged shards, then model by model, because a model's shards
   * lie together in their topics.
   */
  private final class Preparation {
    private final KnownModel baseModel;
    private final List<Slot> slots;
    private final Recovery.Batch batch = recovery.batch();
    private int model = -1;
    private int slot = state.getNext();
    private boolean complete = true;

    Preparation(KnownModel baseModel) {
      this.baseModel = baseModel;
      this.slots = baseModel.checkpoint().slots();
    }

    /** Goes on until {@code isOver}; true when there is nothing more to do. */
    boolean step(BooleanSupplier isOver) {
      while (true) {
        boolean isLast = model == participants.size();
        if (isLast || batch.isFull()) {
          if (!batch.step(isOver)) {
            return false;
          }
          complete &= batch.finish();
          if (isLast) {
            return true;
          }
        }
        if (slot < slots.size()) {
          complete &= need(slots.get(slot++));
        } else {
          model++;
          slot = state.getNext();
        }
        if (isOver.getAsBoolean()) {
          return false;
        }
      }
    }

    /** Needs what one model gives to a shard of the release; false when the ledger lacks it. */
    private boolean need(Slot place) {
      String parameter = place.shard().tensor().name();
      boolean isMerged = mergeSet.merges(parameter);
      if (model < 0) {
        return isMerged || needCheckpoint(baseModel, place, ledger.shard(baseModel, place.shard()));
      }
      if (!isMerged) {
        return true;
      }
      PlannedModel planned = participants.get(model).planned();
      KnownModel known = participants.get(model).model();
      int index = place.shard().index();
      ShardState shard = ledger.shard(known, place.shard());
      Optional<SealedFisher> sealed = Ledger.sealed(shard, planned.getEpoch());
      sealed.ifPresent(
          fisher -> batch.needFisher(known, known.fisherSlot(parameter, index), fisher));
      return needCheckpoint(known, known.checkpointSlot(parameter, index), shard)
          && sealed.isPresent();
    }

    private boolean needCheckpoint(KnownModel known, Slot place, ShardState shard) {
      if (shard.getCheckpointOffset() < 0) {
        return false;
      }
      batch.needCheckpoint(known, place, shard);
      return true;
    }
  }

  private static SealedFisher sealed(ShardState shard, PlannedModel planned) {
    return Ledger.sealed(shard, planned.getEpoch())
        .orElseThrow(
            () ->
                new IllegalStateException(
                    planned.getModel()
                        + "@"
                        + planned.getVersion()
                        + " has no epoch "
                        + planned.getEpoch()
                        + " in a shard that was reported sealed"));
  }

  private void merge(Slot slot) {
    Shard shard = slot.shard();
    boolean mergeIt = mergeSet.merges(shard.tensor().name());
    DType dtype =
        outputDtype != null && shard.tensor().dtype().mergeable()
            ? outputDtype
            : shard.tensor().dtype();
    merged.clear().limit(shard.elements() * dtype.bytes());
    if (mergeIt) {
      mergeModels(shard, dtype);
    } else {
      keepBase(slot, dtype);
    }
    int crc = PayloadFile.crc(merged);
    state.setChecksum(
        state.getChecksum() + ReleaseDigest.of(shard.tensor().name(), shard.index(), crc));
    output.merged(
        new MergedTensor(
            state.getPlan().getRelease(),
            shard.tensor().name(),
            shard.index(),
            Shard.count(shard.tensor()),
            dtype.name(),
            shard.tensor().shape(),
            crc,
            merged));
  }

  /** Room for what one model gives to a block. */
  private static final class Block {
    private final ByteBuffer theta = ByteBuffer.allocateDirect(BLOCK * Double.BYTES);
    private final ByteBuffer fisher = ByteBuffer.allocateDirect(BLOCK * Float.BYTES);
  }

  /** Where one model's part of a shard lies, and what it weighs. */
  private record Part(
      PayloadFile checkpoint,
      long firstByte,
      DType type,
      PayloadFile fisher,
      long firstElement,
      double divisor,
      double weight) {
    /** Reads {@code count} elements from the shard's {@code first} on into a block. */
    Term read(int first, int count, Block block) {
      checkpoint.read(firstByte + (long) first * type.bytes(), count * type.bytes(), block.theta);
      fisher.read((firstElement + first) * Float.BYTES, count * Float.BYTES, block.fisher);
      return new Term(type, block.theta, block.fisher, divisor, weight);
    }
  }

  private Part part(Participant participant, Shard shard, ShardState shardState) {
    PlannedModel planned = participant.planned();
    KnownModel model = participant.model();
    String parameter = shard.tensor().name();
    Slot checkpoint = model.checkpointSlot(parameter, shard.index());
    return new Part(
        payloads.file(model.model(), model.version(), Intake.CHECKPOINT),
        checkpoint.firstByte(),
        checkpoint.shard().tensor().dtype(),
        payloads.file(model.model(), model.version(), Intake.fisherFile(planned.getEpoch())),
        model.fisherSlot(parameter, shard.index()).firstElement(),
        sealed(shardState, planned).getDivisor(),
        planned.getWeight());
  }

  private void mergeModels(Shard shard, DType dtype) {
    List<ShardState> states = new ArrayList<>(participants.size());
    List<Part> parts = new ArrayList<>(participants.size());
    for (Participant participant : participants) {
      ShardState shardState = ledger.shard(participant.model(), shard);
      states.add(shardState);
      parts.add(part(participant, shard, shardState));
    }
    for (int first = 0; first < shard.elements(); first += BLOCK) {
      int count = Math.min(BLOCK, shard.elements() - first);
      kernel.begin(count);
      int pairs = parts.size() / 2 * 2;
      for (int i = 0; i < pairs; i += 2) {
        kernel.add(
            parts.get(i).read(first, count, block), parts.get(i + 1).read(first, count, nextBlock));
      }
      if (pairs < parts.size()) {
        kernel.add(parts.get(pairs).read(first, count, block));
      }
      state.setUnweighted(state.getUnweighted() + kernel.finish(result));
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
    }
    for (int i = 0; i < participants.size(); i++) {
      dropEarlierEpochs(participants.get(i), shard, states.get(i));
    }
  }

  private void keepBase(Slot slot, DType dtype) {
    Shard shard = slot.shard();
    PayloadFile file = payloads.file(base.model(), base.version(), Intake.CHECKPOINT);
    DType type = shard.tensor().dtype();
    if (type == dtype) {
      file.read(slot.firstByte(), merged.limit(), merged);
      return;
    }
    for (int first = 0; first < shard.elements(); first += BLOCK) {
      int count = Math.min(BLOCK, shard.elements() - first);
      file.read(slot.firstByte() + (long) first * type.bytes(), count * type.bytes(), block.theta);
      FloatCodec.toDouble(type, block.theta, 0, result, 0, count);
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
    }
  }

  private void dropEarlierEpochs(Participant participant, Shard shard, ShardState shardState) {
    int epoch = participant.planned().getEpoch();
    List<SealedFisher> kept = new ArrayList<>();
    for (SealedFisher sealed : shardState.getEpochs()) {
      if (sealed.getEpoch() < epoch) {
        output.retireFisher(participant.model(), shard, sealed.getSource(), sealed.getSequence());
      } else {
        kept.add(sealed);
      }
    }
    if (kept.size() < shardState.getEpochs().size()) {
      shardState.setEpochs(kept);
      ledger.put(participant.model(), shard, shardState);
    }
  }

  /** Drops what the plan retires. */
  private boolean clear(long deadline) {
    for (RetiredModel retired : state.getPlan().getRetired()) {
      for (KnownModel model : ledger.heldVersions(retired.getModel())) {
        if (model.version() <= retired.getVersion()) {
          for (Slot slot : model.checkpoint().slots()) {
            ShardState shard = ledger.shard(model, slot.shard());
            if (shard.getCheckpointOffset() >= 0) {
              output.retireCheckpoint(model, slot.shard());
            }
            for (SealedFisher sealed : shard.getEpochs()) {
              output.retireFisher(model, slot.shard(), sealed.getSource(), sealed.getSequence());
            }
            for (OpenBatch batch : ledger.openBatches(model, slot.shard(), shard)) {
              output.retireFisher(model, slot.shard(), batch.getSource(), batch.getSequence());
            }
            ledger.remove(model, slot.shard(), shard);
            if (nanoTime.getAsLong() - deadline >= 0) {
              return true;
            }
          }
          output.retireProgress(model);
          ledger.remove(model);
          payloads.drop(model.model(), model.version());
        }
      }
    }
    for (PlannedModel planned : state.getPlan().getModels()) {
      for (int epoch = planned.getEpoch() - 1; epoch > 0; epoch--) {
        payloads.drop(planned.getModel(), planned.getVersion(), Intake.fisherFile(epoch));
      }
    }
    state.setCleared(true);
    return true;
  }
}
