package io.fisherstreams.merge;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.files.FileTree;
import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.merge.SumsPool.Model;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.UnchangedWeight;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Payloads that leave the local disk once a model is in the kept sums. */
class RecentPayloadsTest {
  private static final FisherAverage FISHER = new FisherAverage(1, 1, Unit.NORM, 1e-6);
  private static final long PAYLOAD = SumsPool.LARGE * 6L + 77 * 8;
  private static final SimpleMeterRegistry METERS = new SimpleMeterRegistry();

  @TempDir private Path directory;
  private UnchangedWeight unchanged = UnchangedWeight.NO_SAY;
  private SumsPool recent;
  private int pools;

  @BeforeAll
  static void count() {
    Metrics.addRegistry(METERS);
  }

  @AfterAll
  static void stopCounting() {
    Metrics.removeRegistry(METERS);
  }

  @AfterEach
  void close() {
    if (recent != null) {
      recent.close();
      recent = null;
    }
  }

  private SumsPool open(MergeFormula formula, LocalPayloads local) {
    return new SumsPool(directory.resolve("pool-" + pools++), formula, unchanged, local);
  }

  private void start(MergeFormula formula, int models) {
    recent = open(formula, LocalPayloads.RECENT);
    for (int m = 0; m < models; m++) {
      recent.arrive(new Model("m" + m, 1, 1, null));
    }
    recent.release();
  }

  private Path files() {
    return recent.stage.folder("base", 1).getParent();
  }

  /** The models of which payload files are local, with the files' names. */
  private Map<String, List<String>> local() {
    Map<String, List<String>> local = new TreeMap<>();
    if (!Files.exists(files())) {
      return local;
    }
    try (Stream<Path> folders = Files.list(files())) {
      for (Path folder : folders.toList()) {
        String name = folder.getFileName().toString();
        try (Stream<Path> inside = Files.list(folder)) {
          List<String> found = inside.map(file -> file.getFileName().toString()).sorted().toList();
          if (name.contains("@") && !name.startsWith("base@") && !found.isEmpty()) {
            local.put(name, found);
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return local;
  }

  /** Bytes of payloads that are read from the topics meanwhile. */
  private static double restored(Runnable work) {
    double before = Meter.RESTORED_BYTES.counter().count();
    work.run();
    return Meter.RESTORED_BYTES.counter().count() - before;
  }

  private void assertSameAsAnew(MergeFormula formula, Map<String, ByteBuffer> merged) {
    try (SumsPool anew = open(formula, LocalPayloads.ALL)) {
      recent.models().values().forEach(anew::arrive);
      assertThat(merged).isEqualTo(anew.release());
    }
  }

  @Test
  void modelsThatAreInTheSumsHaveNoLocalFiles() {
    start(FISHER, 15);
    assertThat(local()).as("too few for sums").hasSize(15);
    recent.arrive(new Model("m15", 1, 1, null));
    recent.arrive(new Model("refined", 1, 3, null));
    assertThat(restored(recent::release)).isZero();
    assertThat(local()).isEmpty();
    assertThat(recent.stage.folder("base", 1)).isNotEmptyDirectory();
    recent.arrive(new Model("m16", 1, 1, null));
    assertThat(local()).containsOnlyKeys("m16@1");
    assertThat(restored(recent::release)).isZero();
    assertThat(local()).isEmpty();
  }

  @Test
  void aChangeReadsItsOwnModelsBackAndNoOther() {
    start(FISHER, 20);
    recent.withdraw("m3");
    assertThat(restored(recent::release)).isEqualTo(PAYLOAD);
    recent.weigh("m4", 0.5);
    assertThat(restored(recent::release)).isEqualTo(PAYLOAD);
    recent.arrive(new Model("m5", 2, 1, null)); // beside as many as before, m4 has its weight
    assertThat(restored(recent::release)).isEqualTo(PAYLOAD);
    assertThat(restored(recent::release)).isZero();
    assertThat(local()).isEmpty();
    assertSameAsAnew(FISHER, recent.release());
  }

  /** A sealed epoch needs the one before it, and the release both and the checkpoint. */
  @Test
  void aRefinementReadsTheEpochBeforeIt() {
    start(FISHER, 17);
    double fisher = SumsPool.LARGE * 4L + 77 * 4;
    assertThat(restored(() -> recent.refine("m8"))).isEqualTo(fisher);
    assertThat(restored(recent::release)).isEqualTo(PAYLOAD - fisher);
    assertThat(local()).isEmpty();
    assertSameAsAnew(FISHER, recent.release());
  }

  @Test
  void thePayloadsComeBackWhenTooFewModelsForSumsAreLeft() {
    start(FISHER, BinnedMerge.MIN_MODELS);
    recent.withdraw("m0");
    assertThat(restored(() -> assertSameAsAnew(FISHER, recent.release()))).isEqualTo(15 * PAYLOAD);
    assertThat(local()).hasSize(15);
    recent.arrive(new Model("m0", 2, 1, null));
    assertThat(restored(() -> assertSameAsAnew(FISHER, recent.release()))).isZero();
    assertThat(local()).isEmpty();
  }

  /** Whatever the sums are built from, no more models than that are local at a time. */
  @Test
  void sumsAreBuiltAnewInRoundsThatNeedNoMoreRoom() {
    start(FISHER, 50);
    MergeFormula other = new GradientMatching(1, 0.3);
    recent.use(other);
    assertInRounds(other, 50 * PAYLOAD);
    recent.stage.comeBackLate(); // without its files
    assertInRounds(other, 50 * PAYLOAD + SumsPool.LARGE * 2L + 77 * 4);
    for (int m = 0; m < 20; m++) {
      recent.weigh("m" + m, 0.25);
    }
    assertInRounds(other, 20 * PAYLOAD);
    for (int m = 0; m < 18; m++) {
      recent.withdraw("m" + m);
      recent.arrive(new Model("n" + m, 1, 1, null));
    }
    assertInRounds(other, 18 * PAYLOAD);
  }

  private void assertInRounds(MergeFormula formula, long readBack) {
    recent.stage.hurry();
    int before = local().size();
    recent.plan();
    int[] most = {0};
    Map<String, ByteBuffer> merged = new TreeMap<>();
    double bytes =
        restored(
            () ->
                merged.putAll(
                    carryOutInShortSteps(() -> most[0] = Math.max(most[0], local().size()))));
    assertThat(bytes).isEqualTo((double) readBack);
    assertThat(most[0]).isLessThanOrEqualTo(before + PlanSources.MAX_LOCAL);
    assertSameAsAnew(formula, merged);
    assertThat(local()).isEmpty();
  }

  private Map<String, ByteBuffer> carryOutInShortSteps(Runnable afterEach) {
    Map<String, ByteBuffer> merged = new TreeMap<>();
    for (int step = 0; step < 1500 && merged.size() < 2; step++) {
      recent.step();
      merged.putAll(recent.merged());
      afterEach.run();
    }
    for (int step = 0; step < 100; step++) { // what is retired
      recent.step();
    }
    return merged;
  }

  @Test
  void aPayloadThatIsGoneFromItsTopicIsNotNeededToTakeItOut() {
    start(FISHER, 20);
    recent.stage.lose("large[0] m7@1");
    recent.withdraw("m7");
    assertSameAsAnew(FISHER, recent.release());
    recent.stage.lose("small[0] m8@1 s#1");
    recent.withdraw("m8");
    assertSameAsAnew(FISHER, recent.release());
  }

  @Test
  void aLossOfAModelThatIsNotInTheSumsLeavesThem() {
    start(FISHER, 17);
    recent.arrive(new Model("left-out", 1, 1, null));
    recent.models().remove("left-out");
    recent.stage.restart();
    FileTree.delete(recent.stage.folder("left-out", 1));
    recent.stage.lose("small[0] left-out@1");
    recent.stage.checkpoint("left-out", 1, "small", 0, MergeStageDriver.floats(new float[77]));
    recent.arrive(new Model("m17", 1, 1, null));
    assertThat(restored(() -> assertSameAsAnew(FISHER, recent.release()))).isZero();
  }

  @Test
  void whatArrivesAgainIsNotWritten() {
    start(FISHER, 17);
    recent.sendAgain("m3");
    assertThat(local()).isEmpty();
    recent.stage.compact(); // the newest record of a key is now the one that was sent again
    recent.withdraw("m3");
    assertThat(restored(() -> assertSameAsAnew(FISHER, recent.release()))).isEqualTo(PAYLOAD);
  }

  /** Each release reads all models of such a shard. */
  @Test
  void modelsOfShardsThatTheSumsCannotHoldStayLocal() {
    FisherAverage formula = new FisherAverage(1, 1, Unit.ONE, 1e-6);
    recent = open(formula, LocalPayloads.RECENT);
    for (int m = 0; m < 18; m++) {
      recent.arrive(new Model("m" + m, 1, 1, null));
    }
    recent.release();
    assertThat(local()).isEmpty();
    recent.scaleFishers(1e30); // terms outside the sums' range
    recent.arrive(new Model("x", 1, 1, null));
    Map<String, ByteBuffer> withIt = recent.release();
    assertThat(local()).hasSize(19);
    recent.arrive(new Model("y", 1, 1, null));
    assertThat(restored(recent::release)).isZero();
    recent.withdraw("y");
    Map<String, ByteBuffer> again = recent.release();
    assertThat(again).isEqualTo(withIt);
    recent.withdraw("x");
    Map<String, ByteBuffer> without = recent.release();
    recent.release();
    assertThat(local()).isEmpty();
    assertSameAsAnew(formula, without);
  }

  @Test
  void aDamagedBlockReadsTheModelsOfItsShardBack() throws IOException {
    start(FISHER, 18);
    recent.stage.restart();
    try (Stream<Path> sums = Files.list(files().resolve("sums"))) {
      Path file = sums.findFirst().orElseThrow();
      byte[] content = Files.readAllBytes(file);
      content[5_000] ^= 1;
      Files.write(file, content);
    }
    recent.arrive(new Model("n", 1, 1, null));
    assertThat(restored(() -> assertSameAsAnew(FISHER, recent.release())))
        .isEqualTo(18.0 * SumsPool.LARGE * 6);
    assertThat(local()).isEmpty();
  }

  /** A kill in any step: the stores are those before the plan, the files are ahead of them. */
  @Test
  void aKillInTheMiddleOfAStepLeavesNoTrace() {
    start(FISHER, 20);
    recent.stage.hurry();
    Path stores = directory.resolve("pool-0/kept");
    for (int steps = 1; steps < 60; steps += 7) {
      recent.arrive(new Model("k" + steps, 1, 1, null));
      recent.refine("m" + steps % 19);
      MergeFormula formula = new FisherAverage(1, 1, Unit.NORM, 1e-6 * steps);
      recent.use(formula); // rounds
      Path snapshot = directory.resolve("snapshot-" + steps);
      recent.stage.stage().restart(() -> copy(stores, snapshot));
      recent.plan();
      for (int step = 0; step < steps; step++) {
        recent.step();
      }
      recent
          .stage
          .stage()
          .restart(
              () -> {
                FileTree.delete(stores);
                copy(snapshot, stores);
              });
      recent.withdraw("m" + steps % 19);
      recent.arrive(new Model("m" + steps % 19, 1 + steps, 1, null));
      recent.plan();
      assertSameAsAnew(formula, carryOutInShortSteps(() -> {}));
      assertThat(local()).isEmpty();
    }
  }

  private static void copy(Path from, Path to) {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @ParameterizedTest
  @EnumSource(UnchangedWeight.class)
  void adaptersLeaveTheDiskToo(UnchangedWeight weight) {
    unchanged = weight;
    for (MergeFormula formula : List.of(FISHER, new TaskArithmetic(0.3))) {
      start(formula, 16);
      for (int m = 0; m < 3; m++) {
        recent.arrive(new Model(SumsPool.ADAPTER + m, 1, 1, null));
      }
      assertSameAsAnew(formula, recent.release());
      assertThat(local()).isEmpty();
      recent.withdraw(SumsPool.ADAPTER + 1);
      recent.refine(SumsPool.ADAPTER + 2);
      recent.withdraw("m3");
      recent.arrive(new Model("m4", 2, 1, null));
      assertSameAsAnew(formula, recent.release());
      close();
    }
  }

  static Stream<MergeFormula> formulas() {
    return Stream.of(
        FISHER,
        new FisherAverage(1.5, 0.5, Unit.MEAN, 1e-3),
        new GradientMatching(0.9, 0.3),
        new TaskArithmetic(0.3));
  }

  /** Each release has the bytes of a pool that keeps all payloads. */
  @ParameterizedTest
  @MethodSource("formulas")
  void aHistoryGivesTheBytesOfAPoolThatKeepsAllPayloads(MergeFormula formula) {
    Random random = new Random(formula.hashCode());
    recent = open(formula, LocalPayloads.RECENT);
    int releases = 0;
    try (SumsPool all = open(formula, LocalPayloads.ALL)) {
      for (int change = 0; change < 90; change++) {
        Consumer<SumsPool> next = change(formula, random, change);
        next.accept(recent);
        next.accept(all);
        if (random.nextInt(3) > 0) {
          assertThat(recent.release()).as("change " + change).isEqualTo(all.release());
          releases++;
        }
      }
    }
    assertThat(releases).isGreaterThan(40);
  }

  private Consumer<SumsPool> change(MergeFormula formula, Random random, int number) {
    List<String> names = new ArrayList<>(recent.models().keySet());
    if (names.size() < 15 + number % 9) {
      int epoch = 1 + random.nextInt(2);
      Double coefficient = random.nextInt(4) == 0 ? 0.3 : null;
      return pool -> pool.arrive(new Model("a" + number, 1, epoch, coefficient));
    }
    String name = names.get(random.nextInt(names.size()));
    Model model = recent.models().get(name);
    double weight = random.nextDouble();
    return switch (random.nextInt(10)) {
      case 0 -> pool -> pool.arrive(new Model(name, model.version() + 1, 1, model.coefficient()));
      case 1, 2 -> pool -> pool.refine(name);
      case 3 -> pool -> pool.weigh(name, weight);
      case 4 -> pool -> names.subList(0, names.size() / 2).forEach(m -> pool.weigh(m, weight));
      case 5, 6 -> pool -> pool.withdraw(name);
      case 7 -> pool -> pool.use(weight < 0.5 ? formula : new TaskArithmetic(weight));
      case 8 -> pool -> pool.stage.restart();
      default -> pool -> pool.stage.comeBackLate();
    };
  }
}
