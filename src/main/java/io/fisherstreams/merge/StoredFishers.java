package io.fisherstreams.merge;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.FisherProducts;
import io.fisherstreams.fisher.Layers;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * The sealed Fishers that a plan merges, read from the topics while the pool runs. They are read
 * partition by partition, and written to local files, as the merge stage does. So models whose
 * records lie far apart are compared in little memory.
 */
public final class StoredFishers {
  private static final int BLOCK = 16_384;

  private final StoredPlan stored;
  private final ParameterGroups groups;

  /**
   * The Fishers of a plan that was carried out.
   *
   * @param partitions number of partitions of the pool's sharded topics
   * @throws InvalidInput when the merge stage no longer has one of the plan's models
   */
  public StoredFishers(KafkaSettings kafka, PoolTopics topics, int partitions, MergePlan plan) {
    stored = new StoredPlan(kafka, topics, partitions, plan);
    groups = MergeMethods.groups(plan.getMethod());
  }

  /** Bytes of the Fishers' merged entries, of all models together. */
  public long bytes() {
    return stored.manifests().stream()
        .flatMap(manifest -> ManifestTensors.merged(manifest).stream())
        .filter(tensor -> stored.merges(tensor.name()))
        .mapToLong(tensor -> tensor.elements() * Float.BYTES)
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
    ExecutorService executor = Executors.newFixedThreadPool(Math.min(threads, stored.partitions()));
    try (PayloadStore store = PayloadStore.open(directory)) {
      List<Future<FisherProducts>> parts = new ArrayList<>();
      for (int p = 0; p < stored.partitions(); p++) {
        int partition = p;
        parts.add(executor.submit(() -> products(store, partition, progress)));
      }
      FisherProducts all = new FisherProducts(stored.manifests().size(), groups.all().size());
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
    List<PlannedModel> planned = stored.plan().getModels();
    List<Slot> slots =
        new KnownModel(stored.base(), partition, stored.partitions())
            .checkpoint().slots().stream()
                .filter(slot -> stored.merges(slot.shard().tensor().name()))
                .toList();
    List<KnownModel> models =
        stored.manifests().stream()
            .map(manifest -> new KnownModel(manifest, partition, stored.partitions()))
            .toList();
    FisherProducts products = new FisherProducts(models.size(), groups.all().size());
    try (PartitionPayloads payloads = store.partition(partition)) {
      Map<String, ShardState> states = stored.states(partition);
      restore(payloads, partition, models, slots, states);
      ByteBuffer bytes =
          ByteBuffer.allocateDirect(BLOCK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      float[][] blocks = new float[models.size()][BLOCK];
      double[] divisors = new double[models.size()];
      PayloadFile[] files = new PayloadFile[models.size()];
      long[] firstElements = new long[models.size()];
      for (Slot slot : slots) {
        String parameter = slot.shard().tensor().name();
        String layer = Layers.of(parameter);
        int group = groups.indexOf(parameter);
        int elements = slot.shard().elements();
        float[][] own = new float[files.length][];
        for (int i = 0; i < files.length; i++) {
          KnownModel model = models.get(i);
          if (model.isUnchanged(parameter)) {
            continue;
          }
          own[i] = blocks[i];
          int epoch = planned.get(i).getEpoch();
          files[i] = payloads.file(model.version(), PayloadName.fisher(epoch));
          firstElements[i] = model.fisherSlot(parameter, slot.shard().index()).firstElement();
          divisors[i] = stored.sealed(states, model, planned.get(i), slot.shard()).getDivisor();
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
          products.add(layer, group, own, divisors, count);
        }
      }
      models.forEach(model -> payloads.drop(model.version()));
    }
    return products;
  }

  private void restore(
      PartitionPayloads payloads,
      int partition,
      List<KnownModel> models,
      List<Slot> slots,
      Map<String, ShardState> states) {
    List<PlannedModel> planned = stored.plan().getModels();
    try (Recovery.RestoreRequest request = stored.recovery(payloads, partition).request()) {
      for (int i = 0; i < models.size(); i++) {
        KnownModel model = models.get(i);
        for (Slot slot : slots) {
          String parameter = slot.shard().tensor().name();
          if (model.isUnchanged(parameter)) {
            continue;
          }
          request.needFisher(
              model,
              model.fisherSlot(parameter, slot.shard().index()),
              stored.sealed(states, model, planned.get(i), slot.shard()));
          if (request.isFull()) {
            request.run();
          }
        }
      }
      request.run();
    }
  }
}
