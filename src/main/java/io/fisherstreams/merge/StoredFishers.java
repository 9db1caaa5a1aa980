package io.fisherstreams.merge;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.FisherProducts;
import io.fisherstreams.fisher.Layers;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.payload.TopicPayloadLog;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * The sealed Fishers that a plan merges, read from the topics while the pool runs. Only the merge
 * stage knows which record has which epoch of a shard and by what its entries are divided: this is
 * in the changelog of its shard states. The payloads are read from {@code gradient-batches},
 * partition by partition, and written to local files, as the stage does. So models whose records
 * lie far apart are compared in little memory.
 */
public final class StoredFishers {
  private static final int BLOCK = 16_384;

  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final MergePlan plan;
  private final int partitions;
  private final ModelManifest base;
  private final List<ModelManifest> manifests = new ArrayList<>();
  private final MergeSet mergeSet;

  /**
   * The Fishers of a plan that was carried out.
   *
   * @param partitions number of partitions of the pool's sharded topics
   * @throws InvalidInput when the merge stage no longer has one of the plan's models
   */
  public StoredFishers(KafkaSettings kafka, PoolTopics topics, int partitions, MergePlan plan) {
    this.kafka = kafka;
    this.topics = topics;
    this.partitions = partitions;
    this.plan = plan;
    Map<String, ModelManifest> held = new HashMap<>();
    TopicReader.readAll(
        kafka,
        MergeTopology.changelog(topics, MergeTopology.MANIFESTS, ModelManifest.class),
        (id, manifest) -> {
          if (manifest != null) {
            held.put(id, manifest);
          }
        });
    base = require(held, plan.getBaseModel(), plan.getBaseVersion());
    plan.getModels()
        .forEach(model -> manifests.add(require(held, model.getModel(), model.getVersion())));
    mergeSet = MergeSet.of(ManifestTensors.all(base), plan.getMethod().getExcludeParamNamesRegex());
  }

  private ModelManifest require(Map<String, ModelManifest> held, String model, long version) {
    String id = new ModelVersion(model, version).toString();
    ModelManifest manifest = held.get(id);
    if (manifest == null) {
      throw PlannedModels.gone(plan, id);
    }
    return manifest;
  }

  /** Bytes of the Fishers' merged entries, of all models together. */
  public long bytes() {
    return manifests.stream()
        .flatMap(manifest -> ManifestTensors.merged(manifest).stream())
        .filter(tensor -> mergeSet.merges(tensor.name()))
        .mapToLong(TensorInfo::bytes)
        .sum();
  }

  /**
   * The scalar products of every two models' Fishers over the plan's merged parameters. The
   * partitions are summed in order, so the sums do not depend on the threads.
   *
   * @param directory for the payload files of as many partitions as there are threads
   * @param threads number of partitions that are read at a time
   * @param progress gets the number of bytes that were compared, from any thread
   * @throws InvalidInput when a Fisher was retired since the plan, or is gone from its topic
   */
  public FisherProducts products(Path directory, int threads, LongConsumer progress) {
    ExecutorService executor = Executors.newFixedThreadPool(Math.min(threads, partitions));
    try (PayloadStore store = PayloadStore.open(directory)) {
      List<Future<FisherProducts>> parts = new ArrayList<>();
      for (int p = 0; p < partitions; p++) {
        int partition = p;
        parts.add(executor.submit(() -> products(store, partition, progress)));
      }
      FisherProducts all = new FisherProducts(manifests.size());
      for (Future<FisherProducts> part : parts) {
        all.add(part.get());
      }
      return all;
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause
          ? cause
          : new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    } finally {
      end(executor);
    }
  }

  /** Waits for the threads, because they use the directory that the caller removes next. */
  private static void end(ExecutorService executor) {
    executor.shutdownNow();
    try {
      executor.awaitTermination(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private FisherProducts products(PayloadStore store, int partition, LongConsumer progress) {
    List<Slot> slots =
        new KnownModel(base, partition, partitions)
            .checkpoint().slots().stream()
                .filter(slot -> mergeSet.merges(slot.shard().tensor().name()))
                .toList();
    List<KnownModel> models =
        manifests.stream()
            .map(manifest -> new KnownModel(manifest, partition, partitions))
            .toList();
    FisherProducts products = new FisherProducts(models.size());
    try (PartitionPayloads payloads = store.partition(partition)) {
      Map<String, SealedFisher> sealed = sealed(partition);
      restore(payloads, partition, models, slots, sealed);
      ByteBuffer bytes =
          ByteBuffer.allocateDirect(BLOCK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      float[][] blocks = new float[models.size()][BLOCK];
      double[] divisors = new double[models.size()];
      PayloadFile[] files = new PayloadFile[models.size()];
      long[] firstElements = new long[models.size()];
      for (Slot slot : slots) {
        String parameter = slot.shard().tensor().name();
        int elements = slot.shard().elements();
        float[][] own = new float[files.length][];
        for (int i = 0; i < files.length; i++) {
          KnownModel model = models.get(i);
          if (model.isUnchanged(parameter)) {
            continue;
          }
          own[i] = blocks[i];
          int epoch = plan.getModels().get(i).getEpoch();
          files[i] = payloads.file(model.version(), PayloadName.fisher(epoch));
          firstElements[i] = model.fisherSlot(parameter, slot.shard().index()).firstElement();
          divisors[i] = sealed.get(Ledger.key(model, slot.shard())).getDivisor();
        }
        for (int first = 0; first < elements; first += BLOCK) {
          int count = Math.min(BLOCK, elements - first);
          for (int i = 0; i < files.length; i++) {
            if (own[i] == null) {
              continue;
            }
            files[i].read((firstElements[i] + first) * Float.BYTES, count * Float.BYTES, bytes);
            bytes.asFloatBuffer().get(blocks[i], 0, count);
            progress.accept((long) count * Float.BYTES);
          }
          products.add(Layers.of(parameter), own, divisors, count);
        }
      }
      models.forEach(model -> payloads.drop(model.version()));
    }
    return products;
  }

  /** The stage's Fishers of the planned epochs in one partition, by {@link Ledger#key}. */
  private Map<String, SealedFisher> sealed(int partition) {
    Map<String, Integer> epochs = new HashMap<>();
    plan.getModels()
        .forEach(
            model ->
                epochs.put(
                    new ModelVersion(model.getModel(), model.getVersion()).toString(),
                    model.getEpoch()));
    Map<String, SealedFisher> sealed = new HashMap<>();
    TopicReader.read(
        kafka,
        MergeTopology.changelog(topics, MergeTopology.SHARDS, ShardState.class),
        partition,
        (key, state) -> {
          Integer epoch = epochs.get(Ledger.modelId(key));
          if (epoch == null) {
            return;
          }
          Optional<SealedFisher> found =
              state == null ? Optional.empty() : FisherShard.sealed(state, epoch);
          found.ifPresentOrElse(fisher -> sealed.put(key, fisher), () -> sealed.remove(key));
        });
    return sealed;
  }

  private void restore(
      PartitionPayloads payloads,
      int partition,
      List<KnownModel> models,
      List<Slot> slots,
      Map<String, SealedFisher> sealed) {
    Recovery recovery =
        new Recovery(
            topics,
            new TopicPayloadLog(kafka::newConsumer),
            payloads,
            (model, slot, checkpoint) -> {
              throw PlannedModels.gone(
                  plan, "the Fisher of " + slot.shard().id() + " of " + model.id());
            },
            partition);
    try (Recovery.RestoreRequest request = recovery.request()) {
      for (int i = 0; i < models.size(); i++) {
        KnownModel model = models.get(i);
        for (Slot slot : slots) {
          if (model.isUnchanged(slot.shard().tensor().name())) {
            continue;
          }
          SealedFisher fisher = sealed.get(Ledger.key(model, slot.shard()));
          if (fisher == null) {
            throw PlannedModels.gone(
                plan, "epoch " + plan.getModels().get(i).getEpoch() + " of " + model.id());
          }
          String parameter = slot.shard().tensor().name();
          request.needFisher(model, model.fisherSlot(parameter, slot.shard().index()), fisher);
          if (request.isFull()) {
            request.run();
          }
        }
      }
      request.run();
    }
  }
}
