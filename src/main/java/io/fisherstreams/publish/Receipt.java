package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.OffsetRange;
import io.fisherstreams.kafka.SentRecords;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.common.TopicPartition;

/** Whether a pool has accepted what a publisher has sent. To be opened before it is sent. */
public final class Receipt implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  // Estimating may take hours; what is wrong with examples shows with the first of them.
  private static final Duration PATIENCE_WITH_GRADIENTS = Duration.ofSeconds(5);

  private final SentRecords records;
  private final Map<String, Stage> readers;
  private final PoolModels models;

  private Receipt(SentRecords records, PoolTopics topics, PoolModels models) {
    this.records = records;
    this.models = models;
    this.readers =
        Map.of(
            topics.models().name(), Stage.COORDINATOR,
            topics.checkpointShards().name(), Stage.MERGE,
            topics.gradientBatches().name(), Stage.MERGE,
            topics.examples().name(), Stage.GRADIENT);
  }

  /**
   * Begins to watch what the pool's stages reject.
   *
   * @param models stays the caller's
   */
  public static Receipt open(KafkaSettings kafka, PoolTopics topics, PoolModels models) {
    return new Receipt(SentRecords.watch(kafka, topics), topics, models);
  }

  /**
   * Waits until the stages have read records of a version, which must still be the model's newest.
   *
   * @param sent where they lie
   * @param manifest of the version
   * @param notes receives why it is not known whether a stage accepts them, if it is not
   * @throws InvalidInput when a stage has rejected some of them, with the first one's reason, or as
   *     {@link PoolModels#requireCurrent}
   */
  public void require(
      Map<TopicPartition, OffsetRange> sent, ModelManifest manifest, Consumer<String> notes) {
    Map<Stage, Map<TopicPartition, OffsetRange>> byStage = new EnumMap<>(Stage.class);
    sent.forEach(
        (partition, range) ->
            byStage
                .computeIfAbsent(readers.get(partition.topic()), stage -> new HashMap<>())
                .put(partition, range));
    byStage.forEach((stage, ranges) -> require(stage, ranges, manifest.getModel(), notes));
    models.requireCurrent(manifest);
  }

  private void require(
      Stage stage, Map<TopicPartition, OffsetRange> sent, String model, Consumer<String> notes) {
    SentRecords.Outcome outcome =
        records.await(
            stage, sent, model, stage == Stage.GRADIENT ? PATIENCE_WITH_GRADIENTS : PATIENCE);
    if (outcome.rejected() > 0) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "the pool rejected %d records of %s: %s (topic dead-letters has them all)",
              outcome.rejected(),
              model,
              outcome.reason().orElseThrow()));
    }
    outcome
        .unknown()
        .ifPresent(
            why ->
                notes.accept(
                    why + "; what the pool rejects of " + model + " shows in topic dead-letters"));
  }

  @Override
  public void close() {
    records.close();
  }
}
