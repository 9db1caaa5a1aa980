package io.fisherstreams.bench;

import io.fisherstreams.bench.GrowthPool.Change;
import io.fisherstreams.merge.LocalPayloads;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What one change costs in pools of more and more models: the time from its last record to the
 * release, and the bytes that the merge stage reads from its files and reads back from the topics;
 * and the disk that it needs. A pool that keeps all payloads in local files and one that keeps the
 * recent ones take turns, so that the JIT compiler has done the same work for both.
 */
final class GrowthBench {
  private final Path directory;
  private final PrintWriter out;
  private final boolean isJson;
  private final GrowthReport report = new GrowthReport();

  /**
   * A measurement that has not begun.
   *
   * @param isJson whether the result is printed as JSON Lines, without a line for each repetition
   */
  GrowthBench(Path directory, PrintWriter out, boolean isJson) {
    this.directory = directory;
    this.out = out;
    this.isJson = isJson;
  }

  /**
   * Measures pools of these sizes.
   *
   * @param sizes numbers of models, from the smallest to the largest
   */
  void run(List<Integer> sizes, int repetitions) throws Exception {
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    Metrics.addRegistry(meters);
    try (GrowthPool all = new GrowthPool(directory.resolve("all"), LocalPayloads.ALL);
        GrowthPool recent = new GrowthPool(directory.resolve("recent"), LocalPayloads.RECENT)) {
      Map<LocalPayloads, GrowthPool> pools = new EnumMap<>(LocalPayloads.class);
      pools.put(LocalPayloads.ALL, all);
      pools.put(LocalPayloads.RECENT, recent);
      for (int size : sizes) {
        for (Map.Entry<LocalPayloads, GrowthPool> pool : pools.entrySet()) {
          pool.getValue().growTo(size);
          report.add(size, pool.getKey(), pool.getValue().disk());
        }
        measure(pools, size, repetitions);
      }
      if (isJson) {
        report.printJson(out);
      } else {
        report.print(out, repetitions);
      }
    } finally {
      Metrics.removeRegistry(meters);
    }
  }

  private void measure(Map<LocalPayloads, GrowthPool> pools, int size, int repetitions) {
    Map<Change, Map<LocalPayloads, List<GrowthCost>>> measured = new EnumMap<>(Change.class);
    for (int i = 0; i < repetitions; i++) {
      String name = "change-" + size + "-" + i;
      pools.forEach(
          (local, pool) -> {
            StringBuilder line = new StringBuilder();
            for (Change change : Change.values()) {
              GrowthCost cost = GrowthCost.of(() -> pool.change(change, name));
              measured
                  .computeIfAbsent(change, c -> new EnumMap<>(LocalPayloads.class))
                  .computeIfAbsent(local, l -> new ArrayList<>())
                  .add(cost);
              line.append(String.format(Locale.ROOT, " %s %.3f s", change, cost.seconds()));
            }
            if (!isJson) {
              out.println("  " + size + " models, payloads " + local + ":" + line);
              out.flush();
            }
          });
    }
    pools.values().forEach(GrowthPool::changed);
    measured.forEach(
        (change, all) ->
            all.forEach((local, list) -> report.add(size, change, local, GrowthCost.median(list))));
  }
}
