package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.CountedExamples;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/**
 * What a pool's topics say besides its models' progress.
 *
 * @param announced when the newest manifest of each version was written
 * @param counted examples that the gradient stage has counted, by version
 * @param aliases those that point to a release
 */
public record PoolDetails(
    Map<ModelVersion, Instant> announced, Map<ModelVersion, Long> counted, List<Alias> aliases) {
  /** Reads the topics to their present end. */
  public static PoolDetails read(KafkaSettings kafka, PoolTopics topics) {
    Map<ModelVersion, Instant> announced = new HashMap<>();
    List<Alias> aliases = new ArrayList<>();
    TopicReader.withConsumer(
        kafka,
        consumer -> {
          TopicReader.readRecords(
              consumer,
              topics.models(),
              (record, manifest) -> {
                if (manifest != null) {
                  announced.put(
                      new ModelVersion(manifest.getModel(), manifest.getVersion()),
                      Instant.ofEpochMilli(record.timestamp()));
                }
              });
          TopicReader.readNewest(consumer, topics.aliases(), key -> true).values().stream()
              .filter(alias -> alias.getRelease() != 0)
              .forEach(aliases::add);
        });
    return new PoolDetails(announced, counted(kafka, topics), List.copyOf(aliases));
  }

  /** A version's examples are counted partition by partition. */
  private static Map<ModelVersion, Long> counted(KafkaSettings kafka, PoolTopics topics) {
    Map<String, Map<TopicPartition, CountedExamples>> newest = new HashMap<>();
    TopicReader.readEverywhere(
        kafka,
        topics.countedExamples(),
        (record, examples) -> {
          TopicPartition partition = new TopicPartition(record.topic(), record.partition());
          Map<TopicPartition, CountedExamples> parts =
              newest.computeIfAbsent(record.key(), key -> new HashMap<>());
          if (examples == null) {
            parts.remove(partition);
          } else {
            parts.put(partition, examples);
          }
        });
    Map<ModelVersion, Long> counted = new HashMap<>();
    newest
        .values()
        .forEach(
            parts ->
                parts
                    .values()
                    .forEach(
                        part ->
                            counted.merge(
                                new ModelVersion(part.getModel(), part.getVersion()),
                                count(part.getRuns()),
                                Long::sum)));
    return counted;
  }

  /** Places in runs of first and last. */
  private static long count(List<Long> runs) {
    long count = 0;
    for (int i = 0; i + 1 < runs.size(); i += 2) {
      count += runs.get(i + 1) - runs.get(i) + 1;
    }
    return count;
  }
}
