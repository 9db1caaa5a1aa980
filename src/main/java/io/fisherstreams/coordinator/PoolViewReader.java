package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.Correction;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Reads a {@link PoolView} from a pool's topics alone. */
public final class PoolViewReader {
  private PoolViewReader() {}

  /** The pool as its topics describe it; needs no right to read consumer groups. */
  public static PoolView read(KafkaSettings kafka, PoolTopics topics) {
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      return read(kafka, topics, consumer.partitionsFor(topics.checkpointShards().name()).size());
    }
  }

  /**
   * The pool as its topics describe it.
   *
   * @param partitions of the sharded topics
   */
  static PoolView read(KafkaSettings kafka, PoolTopics topics, int partitions) {
    PoolView view = new PoolView(partitions, retired(kafka, topics));
    TopicReader.readRecords(
        kafka, topics.models(), (record, manifest) -> announce(view, record, manifest));
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

  /** What the newest release's plan retired: its manifests may still be in their topic. */
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
