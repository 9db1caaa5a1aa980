package io.fisherstreams.bench;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageRunner;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.merge.MergeStage;
import io.fisherstreams.record.PoolTopics;
import java.nio.file.Path;
import java.util.List;
import org.apache.kafka.common.Metric;

/** The merge stage as it reads gradient batches that are already in their topic. */
final class MergeIntake {
  private MergeIntake() {}

  /**
   * Starts the stage and measures, from its first processed record on, how long it takes for all.
   *
   * @param records that the stage has not committed yet
   * @param state the stage's directory
   * @return seconds, scaled to all records
   */
  static double seconds(
      KafkaSettings kafka, PoolTopics topics, long records, int threads, Path state)
      throws InterruptedException {
    try (StageRunner stage =
        MergeStage.create(
            kafka, topics, StreamsOptions.local(state, threads), MergeOptions.standard())) {
      stage.start();
      List<Metric> processed = List.of();
      while (sum(processed) == 0) {
        Thread.sleep(1);
        processed = processed(stage);
      }
      long start = System.nanoTime();
      double already = sum(processed);
      while (sum(processed) < records) {
        Thread.sleep(1);
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      return seconds * records / (records - already);
    }
  }

  /**
   * Metrics of the records that each thread has processed; finding them is slow, reading is fast.
   */
  private static List<Metric> processed(StageRunner stage) {
    return stage.streams().metrics().values().stream()
        .filter(
            metric ->
                metric.metricName().name().equals("process-total")
                    && metric.metricName().group().equals("stream-thread-metrics"))
        .<Metric>map(metric -> metric)
        .toList();
  }

  private static double sum(List<Metric> metrics) {
    return metrics.stream().mapToDouble(m -> ((Number) m.metricValue()).doubleValue()).sum();
  }
}
