package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.Stage;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/** The state of a pool, read from its topics alone. */
public final class PoolStatus {
  private final int partitions;
  private final PoolView view;
  private final Map<String, Long> lags;
  private final SortedMap<String, String> refusals;

  private PoolStatus(int partitions, PoolView view, Map<String, Long> lags) {
    this.partitions = partitions;
    this.view = view;
    this.lags = lags;
    this.refusals = view.refusals();
  }

  /** Reads models, progress and the stages' lag. */
  public static PoolStatus read(KafkaSettings kafka, PoolTopics topics) {
    try (Admin admin = kafka.admin()) {
      int partitions = new PoolAdmin(admin, topics).check();
      PoolView view = view(kafka, topics, partitions);
      Map<String, Long> lags = new LinkedHashMap<>();
      List<TopicPartition> examples =
          IntStream.range(0, partitions)
              .mapToObj(p -> new TopicPartition(topics.examples().name(), p))
              .toList();
      // before its first claim the gradient stage has committed nothing
      lags.put(Stage.GRADIENT.text(), lag(admin, Stage.GRADIENT.group(topics.pool()), examples));
      for (Stage stage : List.of(Stage.MERGE, Stage.COORDINATOR)) {
        lags.put(stage.text(), lag(admin, stage.group(topics.pool()), List.of()));
      }
      return new PoolStatus(partitions, view, lags);
    }
  }

  /** The pool as its topics describe it: what needs no right to ask for the stages' lag. */
  public static PoolView readView(KafkaSettings kafka, PoolTopics topics) {
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      return view(kafka, topics, consumer.partitionsFor(topics.checkpointShards().name()).size());
    }
  }

  private static PoolView view(KafkaSettings kafka, PoolTopics topics, int partitions) {
    PoolView view = new PoolView(partitions, retired(kafka, topics));
    TopicReader.readAll(kafka, topics.models(), (key, manifest) -> announce(view, key, manifest));
    TopicReader.readAll(
        kafka,
        topics.progress(),
        (key, report) -> {
          if (report != null) {
            progress(view, report);
          }
        });
    return view;
  }

  /** What the newest release's plan retired: its manifests may still lie in their topic. */
  private static Map<String, Long> retired(KafkaSettings kafka, PoolTopics topics) {
    Map<String, Long> retired = new HashMap<>();
    TopicReader.readAll(
        kafka,
        topics.releases(),
        (id, release) -> {
          if (release != null) {
            release
                .getPlan()
                .getRetired()
                .forEach(model -> retired.merge(model.getModel(), model.getVersion(), Math::max));
          }
        });
    return retired;
  }

  private static void announce(PoolView view, String key, ModelManifest manifest) {
    try {
      if (manifest == null) {
        view.withdraw(key);
      } else {
        view.announce(key, manifest);
      }
    } catch (RejectedRecord e) {
      // the coordinator has refused it too, and dead-letters has the reason
    }
  }

  private static void progress(PoolView view, PartitionProgress report) {
    if (report.getBody() instanceof ModelProgress model) {
      try {
        view.progress(report.getPartition(), model);
      } catch (RejectedRecord e) {
        // as above
      }
    }
  }

  /** Records that a consumer group of another stage has not processed yet. */
  public static long lag(KafkaSettings kafka, String group) {
    try (Admin admin = kafka.admin()) {
      return lag(admin, group, List.of());
    }
  }

  private static long lag(Admin admin, String group, List<TopicPartition> all) {
    try {
      Map<TopicPartition, OffsetAndMetadata> committed =
          admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      Map<TopicPartition, Long> done = Offsets.beginnings(admin, all);
      committed.forEach((partition, offset) -> done.put(partition, offset.offset()));
      Map<TopicPartition, Long> ends = Offsets.ends(admin, done.keySet());
      return done.entrySet().stream()
          .mapToLong(entry -> Math.max(0, ends.get(entry.getKey()) - entry.getValue()))
          .sum();
    } catch (ExecutionException e) {
      throw new KafkaException("cannot read the lag of " + group, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted", e);
    }
  }

  /** Partitions of the sharded topics. */
  public int partitions() {
    return partitions;
  }

  /** The pool as its topics describe it. */
  public PoolView view() {
    return view;
  }

  /** Records that each stage has not processed yet. */
  public Map<String, Long> lags() {
    return lags;
  }

  /** In a word or a reason, how far a version is. */
  public String state(String name, PoolModel model) {
    if (model.manifest().getRole() == Role.BASE) {
      return model.isPresent() ? "base, ready" : "base, incomplete";
    }
    if (refusals.containsKey(name)) {
      return "refused: " + refusals.get(name);
    }
    if (!model.isPresent()) {
      return "incomplete";
    }
    if (model.epoch().isEmpty()) {
      return "awaits its Fisher";
    }
    return view.hasReadyBase() ? "ready" : "ready, awaits the base";
  }
}
