package io.fisherstreams.bench;

import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;

/**
 * How fast the merge stage processes gradient batches. It has two yardsticks: a consumer with
 * Kafka's defaults that only polls the same records, and as many consumers as the stage has
 * threads, with the stage's settings. The first shows what the tuning of the clients gains, the
 * second what the stage itself could gain. The batches are dense sums of squares, so many that the
 * stage folds open ones. One model gets the batches of all rounds, as in a long-lived pool: in each
 * round the stage starts again at its committed offsets and overwrites its files.
 */
final class AccumulationBench {
  private static final int PARTITIONS = 4;
  private static final int THREADS = 2;
  private static final int WARM_UP_ROUNDS = 5;
  private static final int ROUNDS = 7;
  private static final int BATCHES = 20;
  private static final long ELEMENTS = 20_000_000;

  private final Path directory;
  private final PrintWriter out;

  AccumulationBench(Path directory, PrintWriter out) {
    this.directory = directory;
    this.out = out;
  }

  /** The stage's rate divided by the bare consumer's. */
  double run() throws Exception {
    try (EmbeddedBroker broker =
        EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES)) {
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      double mebibytes = BATCHES * ELEMENTS * Float.BYTES / (double) (1 << 20);
      double[] plain = new double[ROUNDS];
      double[] tuned = new double[ROUNDS];
      double[] stage = new double[ROUNDS];
      PoolTopics topics = new PoolTopics("bench", SchemaRegistry.inMemory());
      try (Admin admin = kafka.admin();
          TemporaryDirectory state = TemporaryDirectory.create(directory)) {
        new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
        Map<TopicPartition, Long> ends = ends(kafka, topics);
        for (int round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
          Map<TopicPartition, Long> starts = ends;
          long records = publish(kafka, topics, round * BATCHES);
          ends = ends(kafka, topics);
          double plainSeconds =
              PollLoop.seconds(kafka::newDefaultConsumer, 1, starts, ends, records);
          double tunedSeconds =
              PollLoop.seconds(kafka::newConsumer, THREADS, starts, ends, records);
          double stageSeconds = MergeIntake.seconds(kafka, topics, records, THREADS, state.path());
          // The first rounds warm up the JIT compiler, which compiles broker and clients for long.
          if (round >= WARM_UP_ROUNDS) {
            plain[round - WARM_UP_ROUNDS] = plainSeconds;
            tuned[round - WARM_UP_ROUNDS] = tunedSeconds;
            stage[round - WARM_UP_ROUNDS] = stageSeconds;
          }
          out.printf(
              Locale.ROOT,
              "  round %d: %.0f MiB/s; bare consumer poll loop %.0f MiB/s; %d loops tuned like the stage %.0f MiB/s%n",
              round + 1,
              mebibytes / stageSeconds,
              mebibytes / plainSeconds,
              THREADS,
              mebibytes / tunedSeconds);
          out.flush();
        }
      }
      double ratio = Median.of(plain) / Median.of(stage);
      out.printf(
          Locale.ROOT,
          "accumulation of %d batches of %,d entries: %.0f MiB/s; bare consumer poll loop with Kafka's defaults: %.0f MiB/s, ratio %.2f; %d loops with the stage's threads and settings: %.0f MiB/s, ratio %.2f (medians of the last %d rounds)%n",
          BATCHES,
          ELEMENTS,
          mebibytes / Median.of(stage),
          mebibytes / Median.of(plain),
          ratio,
          THREADS,
          mebibytes / Median.of(tuned),
          Median.of(tuned) / Median.of(stage),
          ROUNDS);
      out.flush();
      return ratio;
    }
  }

  private static Map<TopicPartition, Long> ends(KafkaSettings kafka, PoolTopics topics) {
    return PollLoop.ends(
        kafka,
        IntStream.range(0, PARTITIONS)
            .mapToObj(p -> new TopicPartition(topics.gradientBatches().name(), p))
            .toList());
  }

  private static long publish(KafkaSettings kafka, PoolTopics topics, int firstBatch) {
    TensorInfo tensor = new TensorInfo("weight", DType.F32, List.of(ELEMENTS));
    ModelManifest manifest =
        Manifests.fineTuned(
                "model", 1, List.of(tensor), MergeSet.of(List.of(tensor), List.of()), false)
            .setExamples((WARM_UP_ROUNDS + ROUNDS) * BATCHES + 1)
            .build();
    SplittableRandom random = new SplittableRandom(1);
    ByteBuffer data =
        ByteBuffer.allocate(Shard.ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int j = 0; j < Shard.ELEMENTS; j++) {
      double gradient = random.nextDouble() - 0.5;
      data.putFloat(j * Float.BYTES, (float) (gradient * gradient));
    }
    long records = 0;
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      Publisher publisher = new Publisher(topics, producer);
      publisher.announce(manifest);
      for (int batch = firstBatch; batch < firstBatch + BATCHES; batch++) {
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          publisher.gradientBatch(
              manifest,
              shard,
              "bench",
              batch,
              1,
              Encoding.SQUARED_SUM,
              data.slice(0, shard.bytes()));
          records++;
        }
      }
      publisher.flush();
    }
    return records;
  }
}
