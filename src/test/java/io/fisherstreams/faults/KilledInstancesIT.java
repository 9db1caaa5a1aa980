package io.fisherstreams.faults;

import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.faults.Guarantee.IncompleteModelStaysOut;
import io.fisherstreams.faults.Guarantee.ResendingChangesNothing;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Stages as processes of their own, two of them merging, killed with SIGKILL at random moments
 * while models arrive. What the pipeline guarantees is asserted as {@link Guarantee} objects.
 */
@ExtendWith(FaultReport.Resolver.class)
class KilledInstancesIT {
  @TempDir private Path directory;

  private final List<StageProcess> merging = new ArrayList<>();
  private final RandomKills kills = new RandomKills(merging);
  private ProcessPool processes;
  private FaultedPool pool;
  private KafkaSettings kafka;
  private PoolTopics topics;

  @BeforeEach
  void start() throws IOException {
    processes = new ProcessPool(directory);
    pool = processes.pool();
    kafka = processes.kafka();
    topics = pool.topics();
    for (int i = 1; i <= 2; i++) {
      merging.add(processes.merge("merge-" + i, "merge:\n  threads: 2\n"));
    }
  }

  @AfterEach
  void stop() throws InterruptedException {
    kills.close();
    if (processes != null) {
      processes.close();
    }
  }

  /** Publishes the models again and waits until the stages have read that. */
  private void requireResendingChangesNothing(List<Model> models) {
    SortedMap<Long, Release> before = pool.releases();
    models.forEach(processes::publish);
    pool.await(
        "the stages to have read the resend",
        () -> PoolStatus.read(kafka, topics).lags().values().stream().allMatch(lag -> lag == 0));
    pool.require(new ResendingChangesNothing(before, pool.releases(), pool.deadLetters().size()));
  }

  /** Publishes all of a model but one shard; returns the shard's name. */
  private String publishIncomplete(Model model) throws Exception {
    ModelManifest announced =
        Manifests.fineTuned(
                model.name(),
                1,
                Model.TENSORS,
                MergeSet.of(Model.TENSORS, List.of(Model.EXCLUDED)),
                false)
            .build();
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      send(
          producer,
          topics.models().name(),
          0,
          model.name(),
          topics.models().value().serializer().serialize(topics.models().name(), announced));
      for (TensorInfo tensor : Model.TENSORS) {
        if (!Model.isMerged(tensor)) {
          continue;
        }
        float[] values = Model.read(model.checkpoint(), tensor);
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          if (!shard.id().equals("body.weight[3]")) {
            ByteBuffer data = ByteBuffer.allocate(shard.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            data.asFloatBuffer().put(values, (int) shard.firstElement(), shard.elements());
            String name = topics.checkpointShards().name();
            send(
                producer,
                name,
                shard.partition(4),
                ShardKey.of(new ModelVersion(model.name(), 1), new Shard(tensor, index)).toString(),
                topics
                    .checkpointShards()
                    .value()
                    .serializer()
                    .serialize(
                        name, new CheckpointShard(model.name(), 1L, tensor.name(), index, data)));
          }
        }
      }
      producer.flush();
    }
    processes.cli("publish", "fisher", model.fisher().toString(), "--model", model.name());
    return "body.weight[3]";
  }

  private static void send(
      Producer<byte[], byte[]> producer, String topic, int partition, String key, byte[] value)
      throws Exception {
    producer
        .send(new ProducerRecord<>(topic, partition, key.getBytes(StandardCharsets.UTF_8), value))
        .get();
  }

  /** Kills a publisher as soon as its manifest is seen; the same command again completes it. */
  private void publishWithAKillHalfWay(Model model) {
    StageProcess publisher =
        processes.process(
            "publisher-" + model.name(),
            "publish",
            "checkpoint",
            model.checkpoint().toString(),
            "--model",
            model.name());
    publisher.start();
    pool.await(
        "the manifest of " + model.name(), () -> processes.manifest(model.name()).isPresent());
    publisher.kill();
    kills.add();
    processes.publish(model);
  }

  private String status(String name) {
    StageProcess status = processes.process(name, "status");
    status.start();
    return status.join();
  }

  private void requireIncompleteModelStaysOut(String model, String shard) {
    pool.await(
        "status to know all but one shard of " + model,
        () ->
            PoolStatus.read(kafka, topics)
                .view()
                .models()
                .get(model)
                .get(1L)
                .missing()
                .equals(List.of(shard)));
    pool.require(
        new IncompleteModelStaysOut(model, shard, pool.releases(), status("status-" + model)));
  }

  @Test
  @Tag("some-faults")
  void guaranteesHoldWhileAMergingInstanceIsKilledAndAPublisherToo(FaultReport report)
      throws Exception {
    long seed = 42;
    kills.begin(new Random(seed), 3, 2500);
    Model a = Model.random(directory, "a", 11);
    Model b = Model.random(directory, "b", 12);
    Model c = Model.random(directory, "c", 13);
    processes.publish(a);
    processes.publish(b);
    publishWithAKillHalfWay(c);
    pool.awaitRelease(Set.of("a", "b", "c"));
    pool.await("the kills", () -> kills.count() >= 4);
    String shard = publishIncomplete(Model.random(directory, "half", 14));
    requireIncompleteModelStaysOut("half", shard);
    requireResendingChangesNothing(List.of(a, b));
    pool.requireAll(0);
    pool.report(report, kills.count() + " processes killed with SIGKILL, seed " + seed);
  }

  /** Longer than session and transaction last, so that what it goes on with is not its own. */
  @Test
  @Tag("faults")
  void guaranteesHoldWhenAStoppedProcessComesBackAsAZombie(FaultReport report) {
    Model a = Model.random(directory, "a", 11);
    processes.publish(a);
    pool.awaitRelease(Set.of("a"));
    for (StageProcess zombie : merging) {
      long before = pool.releases().lastKey();
      zombie.stall();
      Model again = Model.random(directory, "b", 20 + before);
      processes.publish(again);
      pool.await(
          "a release without the zombie",
          () -> pool.hasReleased(Set.of("a", "b")) && pool.releases().lastKey() > before);
      zombie.goOn();
      processes.publish(Model.random(directory, "c", 30 + before));
      pool.awaitRelease(Set.of("a", "b", "c"));
      processes.cli("withdraw", "c");
      pool.awaitRelease(Set.of("a", "b"));
    }
    pool.requireAll(0);
    pool.report(report, "each merging process stalled with SIGSTOP, back as a zombie");
  }

  @Test
  @Tag("faults")
  void guaranteesHoldOverThirtyKills(FaultReport report) throws Exception {
    long seed = Long.getLong("fisherstreams.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    kills.begin(new Random(seed), 30, 9000);
    Map<String, Model> models = new TreeMap<>();
    List<String> batched = new ArrayList<>();
    for (int round = 0; kills.count() < 30 || round < 12; round++) {
      if (round % 5 == 0 && batched.size() < 4) {
        Model summed = Model.random(directory, "summed-" + round, 900 + round, 4);
        pool.publish(summed);
        batched.add(summed.name());
      }
      String name = "m" + random.nextInt(6);
      if (models.size() > 2 && random.nextInt(6) == 0) {
        String withdrawn = List.copyOf(models.keySet()).get(random.nextInt(models.size()));
        processes.cli("withdraw", withdrawn);
        models.remove(withdrawn);
      } else if (models.containsKey(name) && random.nextInt(4) == 0) {
        processes.publish(models.get(name)); // a resend
      } else {
        Model model = Model.random(directory, name, 100 + round);
        if (!models.containsKey(name) && random.nextInt(4) == 0) {
          publishWithAKillHalfWay(model);
        } else {
          processes.publish(model);
        }
        models.put(name, model);
      }
      if (random.nextInt(3) == 0) {
        pool.awaitRelease(union(models.keySet(), batched));
      }
    }
    pool.awaitRelease(union(models.keySet(), batched));
    // the merge command takes Fishers, not batches
    batched.forEach(name -> processes.cli("withdraw", name));
    pool.awaitRelease(models.keySet());
    pool.requireAllAmongOvertakenVersions();
    processes.requireSameAsTheMergeCommand(List.copyOf(models.values()));
    pool.report(report, kills.count() + " processes killed with SIGKILL, seed " + seed);
  }

  private static Set<String> union(Set<String> some, List<String> others) {
    Set<String> all = new TreeSet<>(some);
    all.addAll(others);
    return all;
  }
}
