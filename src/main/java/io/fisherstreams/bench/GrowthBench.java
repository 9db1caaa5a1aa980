package io.fisherstreams.bench;

import io.fisherstreams.metrics.Meter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import io.fisherstreams.text.TextTable;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;

/**
 * What one change costs in pools of more and more models: the time from its last record to the
 * release, and the bytes that the merge stage reads from its files. The models are so small that
 * the largest pool fits into memory.
 */
final class GrowthBench {
  private static final int[] SIZES = {4, 16, 64, 256};
  private static final int SHARDS = 8;
  private static final SyntheticModel MODEL =
      new SyntheticModel(
          List.of(
              new TensorInfo("weight", DType.BF16, List.of((long) SHARDS, (long) Shard.ELEMENTS))));

  private enum Change {
    ARRIVAL,
    WEIGHT,
    VERSION,
    WITHDRAWAL
  }

  /**
   * One change.
   *
   * @param seconds from its last record to the release
   * @param payloads bytes that were read of payloads
   * @param sums bytes that were read of kept sums
   */
  private record Cost(double seconds, double payloads, double sums) {}

  private interface Work {
    double seconds();
  }

  private final Path directory;
  private final PrintWriter out;

  GrowthBench(Path directory, PrintWriter out) {
    this.directory = directory;
    this.out = out;
  }

  void run(int repetitions) throws Exception {
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    Metrics.addRegistry(meters);
    try (ArrivalPool pool = new ArrivalPool(directory.resolve("pool"), MODEL);
        Admin admin = pool.kafka().admin()) {
      PayloadTopics read = new PayloadTopics(admin, pool.topics(), ArrivalPool.PARTITIONS);
      pool.write(1);
      TextTable table = new TextTable().right().left().right().right().right();
      table.row("models", "change", "seconds", "payload bytes", "sums' bytes");
      int models = 0;
      for (int size : SIZES) {
        for (; models < size - 1; models++) {
          pool.publish("model-" + models, 1);
        }
        pool.arrive("model-" + models++, 1);
        read.delete();
        measure(pool, size, repetitions, table);
        read.delete();
      }
      out.printf(
          Locale.ROOT,
          "one change in a pool of bfloat16 models of %,d parameters: seconds from its last record to the release, bytes read locally a parameter (medians of %d)%n",
          MODEL.parameters(),
          repetitions);
      table.print(out);
      out.flush();
    } finally {
      Metrics.removeRegistry(meters);
    }
  }

  private void measure(ArrivalPool pool, int size, int repetitions, TextTable table) {
    Map<Change, Cost[]> costs = new EnumMap<>(Change.class);
    for (Change change : Change.values()) {
      costs.put(change, new Cost[repetitions]);
    }
    for (int i = 0; i < repetitions; i++) {
      String name = "change-" + size + "-" + i;
      costs.get(Change.ARRIVAL)[i] = cost(() -> pool.arrive(name, 1).releasing());
      costs.get(Change.WEIGHT)[i] = cost(() -> pool.weigh(name, 0.01));
      costs.get(Change.VERSION)[i] = cost(() -> pool.arrive(name, 2).releasing());
      costs.get(Change.WITHDRAWAL)[i] = cost(() -> pool.withdraw(name));
      print(size, costs, i);
    }
    costs.forEach(
        (change, all) ->
            table.row(
                Integer.toString(size),
                change.name().toLowerCase(Locale.ROOT),
                String.format(Locale.ROOT, "%.3f", median(all, 0)),
                String.format(Locale.ROOT, "%.1f", median(all, 1) / MODEL.parameters()),
                String.format(Locale.ROOT, "%.1f", median(all, 2) / MODEL.parameters())));
  }

  private void print(int size, Map<Change, Cost[]> costs, int i) {
    out.printf(Locale.ROOT, "  %d models:", size);
    costs.forEach(
        (change, all) ->
            out.printf(
                Locale.ROOT, " %s %.3f s", change.name().toLowerCase(Locale.ROOT), all[i].seconds));
    out.println();
    out.flush();
  }

  private static double median(Cost[] costs, int part) {
    double[] values = new double[costs.length];
    for (int i = 0; i < costs.length; i++) {
      values[i] = new double[] {costs[i].seconds, costs[i].payloads, costs[i].sums}[part];
    }
    return Median.of(values);
  }

  private static Cost cost(Work work) {
    double payloads = Meter.PAYLOADS_READ.counter().count();
    double sums = Meter.SUMS_READ.counter().count();
    double seconds = work.seconds();
    return new Cost(
        seconds,
        Meter.PAYLOADS_READ.counter().count() - payloads,
        Meter.SUMS_READ.counter().count() - sums);
  }
}
