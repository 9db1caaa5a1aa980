package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.Correction;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Release;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Reads a {@link PoolView} from a pool's topics alone. */
public final class PoolViewReader {
  private PoolViewReader() {}

  /**
   * What the topics say.
   *
   * @param releases by id
   */
  record Reading(PoolView view, SortedMap<Long, Release> releases) {}

  /** The pool as its topics describe it; needs no right to read consumer groups. */
  public static PoolView read(KafkaSettings kafka, PoolTopics topics) {
    AtomicReference<PoolView> view = new AtomicReference<>();
    TopicReader.withConsumer(
        kafka,
        consumer -> {
          int partitions = consumer.partitionsFor(topics.checkpointShards().name()).size();
          view.set(read(consumer, topics, partitions).view());
        });
    return view.get();
  }

  /**
   * The pool as its topics describe it, and its releases.
   *
   * @param partitions of the sharded topics
   */
  static Reading read(KafkaSettings kafka, PoolTopics topics, int partitions) {
    AtomicReference<Reading> reading = new AtomicReference<>();
    TopicReader.withConsumer(kafka, consumer -> reading.set(read(consumer, topics, partitions)));
    return reading.get();
  }

  private static Reading read(
      Consumer<String, byte[]> consumer, PoolTopics topics, int partitions) {
    SortedMap<Long, Release> releases = new TreeMap<>();
    TopicReader.readNewest(consumer, topics.releases(), key -> true)
        .values()
        .forEach(release -> releases.put(release.getRelease(), release));
    PoolView view = new PoolView(partitions, retired(releases.values()));
    TopicReader.readRecords(
        consumer, topics.models(), (record, manifest) -> announce(view, record, manifest));
    // Reports on releases, whose keys begin with a number alone, say nothing of models.
    TopicReader.readNewest(consumer, topics.progress(), key -> key.indexOf('@') >= 0)
        .values()
        .forEach(report -> progress(view, report));
    return new Reading(view, releases);
  }

  /** What the plans of releases retired: its manifests may still be in their topic. */
  private static Map<String, Long> retired(Collection<Release> releases) {
    Map<String, Long> retired = new HashMap<>();
    for (Release release : releases) {
      release
          .getPlan()
          .getRetired()
          .forEach(model -> retired.merge(model.getModel(), model.getVersion(), Math::max));
    }
    return retired;
  }

  private static void announce(
      PoolView view, ConsumerRecord<String, byte[]> record, ModelManifest manifest) {
    String key = record.key();
    try {
      if (Correction.corrected(record.headers()).isPresent()) {
        view.correct(key, manifest);
      } else if (manifest == null) {
        view.withdraw(key);
      } else {
        view.announce(key, manifest);
      }
    } catch (RejectedRecord e) {
      // the coordinator has rejected it too, and dead-letters has the reason
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
}
