package io.fisherstreams.demo;

import java.io.PrintWriter;
import java.io.StringWriter;

/** The scenario on little data with little training: seconds instead of a quarter of a minute. */
final class SmallRun {
  static final MnistData DATA = small();
  static final DemoScenario.Effort EFFORT = new DemoScenario.Effort(2, 1, 250);

  private SmallRun() {}

  static DemoScenario of(long seed, MergedModels.Opener pools, DemoListener listener) {
    return new DemoScenario(DATA, EFFORT, seed, pools, listener);
  }

  /** A result of pools in memory. */
  static DemoResult result(long seed) {
    return of(
            seed,
            (pool, base, method) -> new InMemoryPool(method),
            new DemoConsole(new PrintWriter(new StringWriter())))
        .run();
  }

  private static MnistData small() {
    MnistData data = MnistData.load();
    return new MnistData(data.train().first(2_000), data.test().first(400));
  }
}
