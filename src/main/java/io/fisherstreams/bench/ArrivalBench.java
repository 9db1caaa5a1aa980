package io.fisherstreams.bench;

import io.fisherstreams.tensor.DType;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;

/**
 * The arrival of one more model in a pool: the time from its first record sent to its complete
 * release, and the bytes written to Kafka, by topic. The yardstick is a plain producer that sends
 * the same bytes to the same broker, with Kafka's defaults and with the publisher's settings.
 */
final class ArrivalBench {
  // The JIT compiler uses 0.9 to 1.6 CPU seconds of each of the first four arrivals, and some of
  // many
  // later ones. A pool lives for months.
  private static final int WARM_UP_ARRIVALS = 20;
  private static final int WARM_UP_PLAINS = 4;

  private final Path directory;
  private final PrintWriter out;
  private final int models;
  private final DType dtype;

  ArrivalBench(Path directory, PrintWriter out, int models, DType dtype) {
    this.directory = directory;
    this.out = out;
    this.models = models;
    this.dtype = dtype;
  }

  /** Time of one arrival divided by the plain producer's. */
  @SuppressWarnings("try") // the memory is only there
  double run(int repetitions) throws Exception {
    try (ArrivalPool pool = new ArrivalPool(directory.resolve("pool"), dtype);
        Admin admin = pool.kafka().admin()) {
      PlainArrival plain = new PlainArrival(directory, pool);
      PayloadTopics read = new PayloadTopics(admin, pool.topics(), ArrivalPool.PARTITIONS);
      for (int model = 1; model <= models; model++) {
        pool.write(model);
        print("model-" + model, pool.arrive("model-" + model, 1));
        read.delete();
      }
      for (int version = 1; version <= WARM_UP_ARRIVALS; version++) {
        print("warm-up", pool.arrive("arrival", version));
        read.delete();
      }
      for (int i = 0; i < WARM_UP_PLAINS; i++) {
        plain.seconds(pool.kafka()::newDefaultProducer);
        plain.seconds(pool.kafka()::newProducer);
      }
      double[] arrivals = new double[repetitions];
      double[] plains = new double[repetitions];
      double[] tuned = new double[repetitions];
      for (int i = 0; i < repetitions; i++) {
        int version = WARM_UP_ARRIVALS + i + 1;
        pool.write(models + version);
        read.awaitDeleted();
        Map<String, Long> before = bytesByTopic(admin);
        try (WarmMemory memory =
            new WarmMemory(directory, List.of(pool.weights(), pool.fisher(), pool.state()))) {
          ArrivalPool.Arrival arrival = pool.arrive("arrival", version);
          print("arrival", arrival);
          arrivals[i] = arrival.seconds();
        }
        Map<String, Long> after = bytesByTopic(admin);
        read.delete();
        plains[i] = plain.seconds(pool.kafka()::newDefaultProducer);
        tuned[i] = plain.seconds(pool.kafka()::newProducer);
        out.printf(
            Locale.ROOT,
            "  plain producer of the same bytes %.2f s; with our settings %.2f s%n",
            plains[i],
            tuned[i]);
        print(before, after);
        out.flush();
      }
      double arrival = Median.of(arrivals);
      out.printf(
          Locale.ROOT,
          "arrival of model %d of %s: %.2f s; plain producer of the same bytes with Kafka's defaults: %.2f s, ratio %.2f; with the publisher's settings: %.2f s, ratio %.2f (medians of the last %d)%n",
          models + 1,
          dtype,
          arrival,
          Median.of(plains),
          arrival / Median.of(plains),
          Median.of(tuned),
          arrival / Median.of(tuned),
          repetitions);
      out.flush();
      return arrival / Median.of(plains);
    }
  }

  private void print(String name, ArrivalPool.Arrival arrival) {
    out.printf(
        Locale.ROOT,
        "  %s %.2f s: published in %.2f s, released %.2f s later%n",
        name,
        arrival.seconds(),
        arrival.publishing(),
        arrival.releasing());
    out.flush();
  }

  private static Map<String, Long> bytesByTopic(Admin admin) throws Exception {
    Map<String, Long> bytes = new TreeMap<>();
    LogSizes.of(admin)
        .forEach((partition, size) -> bytes.merge(partition.topic(), size, Long::sum));
    return bytes;
  }

  private void print(Map<String, Long> before, Map<String, Long> after) {
    double parameters = SyntheticModel.clip(DType.F32).parameters();
    double sum = 0;
    for (Map.Entry<String, Long> entry : after.entrySet()) {
      long written = entry.getValue() - before.getOrDefault(entry.getKey(), 0L);
      if (written > 0) {
        sum += written / parameters;
        out.printf(
            Locale.ROOT,
            "  %-48s %12d bytes %8.4f a parameter%n",
            entry.getKey(),
            written,
            written / parameters);
      }
    }
    out.printf(Locale.ROOT, "  bytes written to Kafka a parameter: %.4f%n", sum);
  }
}
