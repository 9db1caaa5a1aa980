package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class DemoScenarioTest {
  private final StringWriter printed = new StringWriter();
  private final DemoConsole console = new DemoConsole(new PrintWriter(printed));

  @Test
  void modelsArriveOneAfterAnotherAndOneIsWithdrawn() {
    DemoResult result =
        SmallRun.of(1, (pool, base, method) -> new InMemoryPool(method), console).run();
    assertThat(result.changes())
        .extracting(change -> (change.arrived() ? "+" : "-") + change.model().model())
        .containsExactly(
            "+tilted",
            "+bold",
            "+top-left",
            "+top-right",
            "+bottom-left",
            "+bottom-right",
            "-top-left");
    assertThat(result.changes())
        .extracting(change -> change.shares().size())
        .containsExactly(1, 2, 3, 4, 5, 6, 5);
    assertThat(result.last().shares()).doesNotContainKey("top-left");
    // A pool of one model is that model, however it is merged.
    PoolChange first = result.changes().get(0);
    assertThat(first.fisher().of(DigitTask.TILTED))
        .isEqualTo(first.average().of(DigitTask.TILTED))
        .isEqualTo(result.alone().get(DigitTask.TILTED));
    assertThat(result.withdrawalExact()).isTrue();
    assertThat(printed.toString()).contains("bit-identical").doesNotContain("DIFFERS");
  }

  @Test
  void measuresEveryReleaseByItsOwnParameters() {
    List<DigitParameters> releases = new ArrayList<>();
    List<FineTunedModel> arrived = new ArrayList<>();
    DemoResult result =
        SmallRun.of(
                2,
                (pool, base, method) -> {
                  InMemoryPool real = new InMemoryPool(method);
                  return new MergedModels() {
                    @Override
                    public MergedRelease arrive(FineTunedModel model) {
                      arrived.add(model);
                      MergedRelease release = real.arrive(model);
                      releases.add(release.parameters());
                      return release;
                    }

                    @Override
                    public MergedRelease withdraw(String model) {
                      MergedRelease release = real.withdraw(model);
                      releases.add(release.parameters());
                      return release;
                    }

                    @Override
                    public Map<String, DigitParameters> fishers() {
                      return real.fishers();
                    }

                    @Override
                    public void close() {}
                  };
                },
                console)
            .run();
    DigitImages bold = DigitTask.BOLD.of(SmallRun.DATA.test());
    for (int i = 0; i < result.changes().size(); i++) {
      assertThat(result.changes().get(i).fisher().of(DigitTask.BOLD))
          .isCloseTo(accuracy(releases.get(i), bold), within(1.1 / 400));
    }
    double[] mean = new double[10];
    for (FineTunedModel model : arrived.subList(0, 6)) {
      for (int j = 0; j < 10; j++) {
        mean[j] += model.parameters().values("layers.2.bias")[j] / 6.0;
      }
    }
    float[] average =
        DigitParameters.mean(
                arrived.subList(0, 6).stream().map(FineTunedModel::parameters).toList())
            .values("layers.2.bias");
    for (int j = 0; j < 10; j++) {
      assertThat((double) average[j]).isCloseTo(mean[j], within(1e-8));
    }
    assertThat(arrived).allMatch(model -> model.examples().count() == 250);
    DigitImages tilted = DigitTask.TILTED.of(SmallRun.DATA.train().first(250));
    assertThat(arrived.get(0).examples().pixels()).isEqualTo(tilted.pixels());
    assertThat(arrived.get(0).examples().labels()).isEqualTo(tilted.labels());
    assertThat(result.merged()).isSameAs(releases.get(6));
  }

  @Test
  void saysSoWhenTheWithdrawnModelLeavesSomethingBehind() {
    DemoResult result = SmallRun.of(3, (pool, base, method) -> new Leaking(method), console).run();
    assertThat(result.withdrawalExact()).isFalse();
    assertThat(printed.toString()).contains("DIFFERS").doesNotContain("bit-identical");
  }

  @Test
  void rejectsAReleaseOfOtherModelsThanThePoolHolds() {
    assertThatThrownBy(
            () ->
                SmallRun.of(
                        4,
                        (pool, base, method) ->
                            new InMemoryPoolThatForgets(new InMemoryPool(method)),
                        console)
                    .run())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("release 2 merges [bold], expected the pool's models [bold, tilted]");
  }

  @Test
  void printsTablesWhoseColumnsAreAligned() {
    DemoResult result =
        SmallRun.of(5, (pool, base, method) -> new InMemoryPool(method), console).run();
    List<String> lines = printed.toString().lines().toList();
    int release = lines.indexOf("");
    assertThat(lines.get(release + 1))
        .startsWith("Release 1: tilted arrived. 1 in the pool: tilted.");
    List<String> table = lines.subList(release + 2, release + 9);
    assertThat(table.get(1)).startsWith("accuracy in %").endsWith("digits");
    assertThat(table.get(2)).matches("-+");
    assertThat(table.get(3).split("\\s{2,}"))
        .containsExactly("in the pool", "yes", "-", "-", "-", "-", "-");
    PoolChange change = result.changes().get(0);
    assertThat(cells(table.get(4))).containsExactly(expectedCells("Fisher merge", change.fisher()));
    assertThat(cells(table.get(5)))
        .containsExactly(expectedCells("plain average", change.average()));
    assertThat(cells(table.get(6))).containsExactly(expectedCells("base model", result.base()));
    assertThat(table.subList(4, 7)).allMatch(line -> line.length() == table.get(2).length());
    assertThat(lines).allMatch(line -> line.indexOf('\u001b') < 0);
    assertThat(table).allMatch(line -> line.length() <= 100);
  }

  private static String[] cells(String line) {
    return line.split("\\s{2,}");
  }

  private static String[] expectedCells(String label, Scores scores) {
    List<String> cells = new ArrayList<>(List.of(label));
    for (DigitTask task : DigitTask.values()) {
      cells.add(String.format(Locale.ROOT, "%.1f", 100 * scores.of(task)));
    }
    cells.add(String.format(Locale.ROOT, "%.1f", 100 * scores.mean()));
    cells.add(String.format(Locale.ROOT, "%.1f", 100 * scores.originals()));
    return cells.toArray(String[]::new);
  }

  private static double accuracy(DigitParameters parameters, DigitImages images) {
    DoubleNetwork network = new DoubleNetwork(parameters);
    int right = 0;
    for (int i = 0; i < images.count(); i++) {
      double[] p = network.logProbabilities(images, i);
      right += Arrays.stream(p).max().orElseThrow() == p[images.labels()[i]] ? 1 : 0;
    }
    return (double) right / images.count();
  }

  /** Forgets to forget: one bit of the withdrawn model stays. */
  private static final class Leaking implements MergedModels {
    private final InMemoryPool pool;

    Leaking(Method method) {
      pool = new InMemoryPool(method);
    }

    @Override
    public MergedRelease arrive(FineTunedModel model) {
      return pool.arrive(model);
    }

    @Override
    public MergedRelease withdraw(String model) {
      MergedRelease release = pool.withdraw(model);
      float[] bias = release.parameters().values("layers.1.bias");
      bias[7] = Math.nextUp(bias[7]);
      return release;
    }

    @Override
    public Map<String, DigitParameters> fishers() {
      return pool.fishers();
    }

    @Override
    public void close() {}
  }

  /** Merges only the model that arrived last. */
  private record InMemoryPoolThatForgets(InMemoryPool pool) implements MergedModels {
    @Override
    public MergedRelease arrive(FineTunedModel model) {
      MergedRelease release = pool.arrive(model);
      return new MergedRelease(
          release.id(), release.parameters(), new TreeMap<>(Map.of(model.name(), 1.0)));
    }

    @Override
    public MergedRelease withdraw(String model) {
      return pool.withdraw(model);
    }

    @Override
    public Map<String, DigitParameters> fishers() {
      return pool.fishers();
    }

    @Override
    public void close() {
      pool.close();
    }
  }
}
