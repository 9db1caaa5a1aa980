package io.fisherstreams.view;

import io.fisherstreams.coordinator.StageLag;
import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.kafka.RunningInstances;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;

/**
 * How busy a pool is: the stages' lag and instances, and what its topics hold and get.
 *
 * @param stages by stage
 * @param topics in the order of {@link PoolTopics#all}
 * @param ends end offset of each partition, for the rates of the next look
 * @param at time of the look, by {@link System#nanoTime}
 */
public record PoolTraffic(
    List<StageTraffic> stages, List<TopicTraffic> topics, Map<TopicPartition, Long> ends, long at) {
  /**
   * One stage.
   *
   * @param stage its name
   * @param lag records that it has not processed yet; empty if this user may not read it
   * @param instances running instances; empty if this user may not read them
   */
  public record StageTraffic(
      String stage, OptionalLong lag, Optional<List<RunningInstances.Instance>> instances) {}

  /**
   * One topic.
   *
   * @param topic its name without the pool's
   * @param records offsets in use, over all partitions
   * @param recordsPerSecond written since the look before; 0 at the first one
   * @param bytes on all brokers; empty if this user may not read it
   */
  public record TopicTraffic(
      String topic, long records, double recordsPerSecond, OptionalLong bytes) {}

  private static final double NANOS = Duration.ofSeconds(1).toNanos();

  /**
   * Looks at a pool.
   *
   * @param groups consumer groups of further stages, by stage
   * @param before the look before, or null
   */
  public static PoolTraffic look(
      Admin admin,
      PoolTopics topics,
      int partitions,
      Map<String, String> groups,
      PoolTraffic before) {
    Map<String, String> all = new LinkedHashMap<>();
    for (Stage stage : List.of(Stage.GRADIENT, Stage.MERGE, Stage.COORDINATOR)) {
      all.put(stage.text(), stage.group(topics.pool()));
    }
    all.putAll(groups);
    List<StageTraffic> stages = new ArrayList<>();
    all.forEach(
        (stage, group) ->
            stages.add(
                new StageTraffic(
                    stage,
                    permitted(
                            () ->
                                stage.equals(Stage.GRADIENT.text())
                                    ? StageLag.ofGradients(admin, topics, partitions)
                                    : StageLag.of(admin, group))
                        .map(OptionalLong::of)
                        .orElse(OptionalLong.empty()),
                    permitted(() -> RunningInstances.list(admin, group)))));
    List<TopicPartition> every = new ArrayList<>();
    for (Topic<?, ?> topic : topics.all()) {
      for (int p = 0; p < (topic.sharded() ? partitions : 1); p++) {
        every.add(new TopicPartition(topic.name(), p));
      }
    }
    Map<TopicPartition, Long> begins = Offsets.beginnings(admin, every);
    Map<TopicPartition, Long> ends = Offsets.ends(admin, every);
    long now = System.nanoTime();
    Optional<Map<String, Long>> bytes = permitted(() -> bytes(admin));
    List<TopicTraffic> traffic = new ArrayList<>();
    for (Topic<?, ?> topic : topics.all()) {
      long records = 0;
      long written = 0;
      for (TopicPartition partition : every) {
        if (partition.topic().equals(topic.name())) {
          long end = ends.get(partition);
          records += end - begins.get(partition);
          written += before == null ? 0 : end - before.ends.getOrDefault(partition, end);
        }
      }
      traffic.add(
          new TopicTraffic(
              topic.name().substring(topics.pool().length() + 1),
              records,
              before == null ? 0 : Math.max(0, written) / ((now - before.at) / NANOS),
              bytes
                  .map(sizes -> OptionalLong.of(sizes.getOrDefault(topic.name(), 0L)))
                  .orElse(OptionalLong.empty())));
    }
    return new PoolTraffic(List.copyOf(stages), List.copyOf(traffic), ends, now);
  }

  /** What a request says; empty if this user may not send it. */
  private static <T> Optional<T> permitted(Supplier<T> request) {
    try {
      return Optional.of(request.get());
    } catch (KafkaException e) {
      if (e instanceof AuthorizationException || e.getCause() instanceof AuthorizationException) {
        return Optional.empty();
      }
      throw e;
    }
  }

  private static Map<String, Long> bytes(Admin admin) {
    try {
      List<Integer> brokers = admin.describeCluster().nodes().get().stream().map(Node::id).toList();
      Map<String, Long> bytes = new HashMap<>();
      for (Map<String, LogDirDescription> folders :
          admin.describeLogDirs(brokers).allDescriptions().get().values()) {
        for (LogDirDescription folder : folders.values()) {
          folder
              .replicaInfos()
              .forEach(
                  (partition, replica) ->
                      bytes.merge(partition.topic(), replica.size(), Long::sum));
        }
      }
      return bytes;
    } catch (ExecutionException e) {
      throw new KafkaException("cannot read the sizes of the topics", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptException(e);
    }
  }
}
