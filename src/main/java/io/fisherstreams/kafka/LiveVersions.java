package io.fisherstreams.kafka;

import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;

/**
 * The model versions of which a pool has anything: the newest of each model, and those on which the
 * merge stage reports. A record that names only other versions is what is left of them.
 *
 * @param versions each {@code model@version}
 * @param retiring those of models that are withdrawn, and that the merge stage has not removed yet
 */
record LiveVersions(Set<String> versions, Set<String> retiring) {
  // As the keys of progress, and of the stages' changelogs, begin.
  private static final Pattern VERSION =
      Pattern.compile("(([A-Za-z0-9._/+-]{1,200})@\\d+)(?![0-9])");

  /** Reads {@code models} and {@code progress} to their ends. */
  static LiveVersions read(KafkaSettings kafka, PoolTopics topics) {
    Set<String> versions = new HashSet<>();
    Set<String> models = new HashSet<>();
    Set<String> reported = new HashSet<>();
    TopicReader.withConsumer(
        kafka,
        consumer -> {
          TopicReader.readNewest(consumer, topics.models(), key -> true)
              .values()
              .forEach(
                  manifest -> {
                    models.add(manifest.getModel());
                    versions.add(id(manifest));
                  });
          List<TopicPartition> progress = List.of(new TopicPartition(topics.progress().name(), 0));
          consumer.assign(progress);
          consumer.seekToBeginning(progress);
          TopicReader.readToEnd(
              consumer,
              progress,
              record -> {
                if (record.key() != null && record.value() != null) {
                  reported.add(record.key());
                } else if (record.key() != null) {
                  reported.remove(record.key());
                }
              });
        });
    Set<String> retiring = new TreeSet<>();
    for (String key : reported) {
      Matcher version = VERSION.matcher(key);
      if (version.lookingAt()) {
        versions.add(version.group(1));
        if (!models.contains(version.group(2))) {
          retiring.add(version.group(1));
        }
      }
    }
    return new LiveVersions(versions, retiring);
  }

  private static String id(ModelManifest manifest) {
    return new ModelVersion(manifest.getModel(), manifest.getVersion()).toString();
  }

  /** The version that a record has something of, if none of the pool's is meant. */
  Optional<String> deadVersion(PoolTopics topics, ConsumerRecord<byte[], byte[]> record) {
    if (record.key() == null || record.value() == null) {
      return Optional.empty();
    }
    Set<String> named =
        named(topics, record, new String(record.key(), StandardCharsets.UTF_8)).stream()
            .collect(Collectors.toCollection(TreeSet::new));
    return named.stream().anyMatch(versions::contains)
        ? Optional.empty()
        : named.stream().findFirst();
  }

  private static Set<String> named(
      PoolTopics topics, ConsumerRecord<byte[], byte[]> record, String key) {
    String topic = record.topic();
    if (topic.equals(topics.models().name())) {
      return manifest(topics, record).map(manifest -> Set.of(id(manifest))).orElse(Set.of());
    }
    if (topic.equals(topics.checkpointShards().name())
        || topic.equals(topics.gradientBatches().name())) {
      return ShardKey.readings(key)
          .map(reading -> reading.model().toString())
          .collect(Collectors.toSet());
    }
    Matcher version = VERSION.matcher(key);
    return version.lookingAt() ? Set.of(version.group(1)) : Set.of();
  }

  private static Optional<ModelManifest> manifest(
      PoolTopics topics, ConsumerRecord<byte[], byte[]> record) {
    try {
      return Optional.ofNullable(
          topics.models().value().deserializer().deserialize(record.topic(), record.value()));
    } catch (SerializationException e) {
      return Optional.empty(); // rejected, and no version of any model
    }
  }
}
