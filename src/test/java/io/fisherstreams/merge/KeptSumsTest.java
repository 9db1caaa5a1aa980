package io.fisherstreams.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.faults.SmallDisk;
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
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Sums that are kept from one release to the next: what a release reads, and that its bytes are
 * those of a pool that has seen nothing but its models.
 */
class KeptSumsTest {
  private static final FisherAverage FISHER = new FisherAverage(1, 1, Unit.NORM, 1e-6);
  private static final int FISHER_BYTES = 32;
  private static final long ELEMENTS = SumsPool.LARGE + 77;
  private static final long PAYLOAD = SumsPool.LARGE * 6L + 77 * 8;
  private static final SimpleMeterRegistry METERS = new SimpleMeterRegistry();

  @TempDir private Path directory;
  private UnchangedWeight unchanged = UnchangedWeight.NO_SAY;
  private SumsPool pool;
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
    if (pool != null) {
      pool.close();
      pool = null;
    }
  }

  private SumsPool open(MergeFormula formula) {
    return new SumsPool(directory.resolve("pool-" + pools++), formula, unchanged);
  }

  private void start(MergeFormula formula, int models) {
    pool = open(formula);
    for (int m = 0; m < models; m++) {
      pool.arrive(new Model("m" + m, 1, 1, null));
    }
    pool.release();
  }

  private Path sums() {
    return pool.stage.folder("base", 1).resolveSibling("sums");
  }

  private Path sumsFile() throws IOException {
    try (Stream<Path> files = Files.list(sums())) {
      return files.findFirst().orElseThrow();
    }
  }

  /** Asserts that a release has the bytes of a new pool's release of the same models. */
  private void assertSameAsAnew(MergeFormula formula, Map<String, ByteBuffer> merged) {
    try (SumsPool anew = open(formula)) {
      pool.models().values().forEach(anew::arrive);
      assertThat(merged).isEqualTo(anew.release());
    }
  }

  /** Bytes that are read from payload files and from sums. */
  private record Read(double payloads, double sums) {
    static Read now() {
      return new Read(count(Meter.PAYLOADS_READ), count(Meter.SUMS_READ));
    }

    private static double count(Meter meter) {
      Counter counter = meter.counter();
      return counter.count();
    }
  }

  private Read read(Runnable work) {
    Read before = Read.now();
    work.run();
    Read after = Read.now();
    return new Read(after.payloads - before.payloads, after.sums - before.sums);
  }

  private void assertReads(Read read, double payloads) {
    assertThat(read.payloads).isEqualTo(payloads * PAYLOAD);
    assertThat(read.sums)
        .isBetween(ELEMENTS * (double) FISHER_BYTES, ELEMENTS * (double) FISHER_BYTES + 1024);
  }

  @Test
  void aChangeReadsItsOwnPayloadsAndTheSumsAndNoOtherModel() {
    start(FISHER, 20);
    pool.arrive(new Model("new", 1, 1, null));
    assertReads(read(pool::release), 1);
    pool.withdraw("m3");
    assertReads(read(pool::release), 1);
    pool.weigh("m7", 0.5);
    assertReads(read(pool::release), 2);
    pool.refine("m8"); // m7 is weighed beside models whose λ is 1 / 20: their number is the same
    assertReads(read(pool::release), 2);
    pool.arrive(new Model("m9", 2, 1, null));
    assertReads(read(pool::release), 2);
    pool.withdraw("m10");
    pool.withdraw("m11");
    pool.arrive(new Model("other", 1, 1, 0.25)); // with m7, whose λ · 20 becomes λ · 19
    assertReads(read(pool::release), 2 + 1 + 2);
    assertReads(read(pool::release), 0);
  }

  @Test
  void aRestartReadsNothingButTheSums() {
    start(FISHER, 20);
    pool.stage.restart();
    assertReads(read(pool::release), 0);
  }

  @Test
  void manyChangesAreNotMoreWorkThanBuildingAnew() {
    start(FISHER, 16);
    for (int m = 0; m < 16; m++) {
      pool.arrive(new Model("m" + m, 2, 1, null));
    }
    Read read = read(pool::release);
    assertThat(read.payloads).isEqualTo(16.0 * PAYLOAD);
    assertThat(read.sums).isLessThan(1024);
  }

  @Test
  void fewModelsHaveNoSums() {
    start(FISHER, BinnedMerge.MIN_MODELS);
    assertThat(sums()).isNotEmptyDirectory();
    pool.withdraw("m0");
    assertSameAsAnew(FISHER, pool.release());
    assertThat(sums()).as("nothing of m0 is left").isEmptyDirectory();
    pool.arrive(new Model("m0", 2, 1, null));
    assertSameAsAnew(FISHER, pool.release());
  }

  @Test
  void anotherMethodBuildsAnewAndLeavesNoFileOfTheOneBefore() throws IOException {
    start(FISHER, 17);
    Path before = sumsFile();
    for (MergeFormula formula :
        List.of(
            new FisherAverage(1, 1, Unit.NORM, 1e-3),
            new GradientMatching(1, 0.3),
            new TaskArithmetic(0.3))) {
      pool.use(formula);
      assertSameAsAnew(formula, pool.release());
      assertThat(before).doesNotExist();
      before = sumsFile();
      pool.arrive(new Model("n" + pools, 1, 1, null));
      assertSameAsAnew(formula, pool.release());
    }
  }

  /** Terms outside the sums' range, and denominators too small for them. */
  @ParameterizedTest
  @ValueSource(doubles = {1e30, 1e-14})
  void whatTheSumsCannotHoldIsComputedFromAllModels(double scale) {
    FisherAverage formula = new FisherAverage(1, 1, Unit.ONE, scale > 1 ? 1e-6 : 1e-20);
    pool = open(formula);
    pool.scaleFishers(scale > 1 ? 1 : scale);
    for (int m = 0; m < 18; m++) {
      pool.arrive(new Model("m" + m, 1, 1, null));
    }
    pool.release();
    pool.scaleFishers(scale > 1 ? scale : 1);
    pool.arrive(new Model("x", 1, 1, null));
    Map<String, ByteBuffer> withIt = pool.release();
    pool.withdraw("x");
    Map<String, ByteBuffer> without = pool.release();
    try (SumsPool anew = open(formula)) {
      anew.scaleFishers(scale > 1 ? 1 : scale);
      pool.models().values().forEach(anew::arrive);
      assertThat(without).isEqualTo(anew.release());
      anew.scaleFishers(scale > 1 ? scale : 1);
      anew.arrive(new Model("x", 1, 1, null));
      assertThat(withIt).isEqualTo(anew.release());
    }
  }

  @Test
  void aDamagedBlockIsBuiltAnew() throws IOException {
    start(FISHER, 18);
    Random random = new Random(3);
    for (int i = 0; i < 5; i++) {
      pool.stage.restart();
      byte[] content = Files.readAllBytes(sumsFile());
      content[random.nextInt(content.length)] ^= (byte) (1 << random.nextInt(8));
      Files.write(sumsFile(), i < 4 ? content : Arrays.copyOf(content, 70_000));
      pool.arrive(new Model("n" + i, 1, 1, null));
      assertSameAsAnew(FISHER, pool.release());
    }
  }

  @Test
  void aPartitionThatMovesBuildsItsSumsAnewOrGoesOnWithThem() {
    start(FISHER, 18);
    pool.stage.comeBackLate(); // without its files
    pool.arrive(new Model("a", 1, 1, null));
    assertSameAsAnew(FISHER, pool.release());
    pool.stage.restart();
    FileTree.delete(sums());
    pool.arrive(new Model("b", 1, 1, null));
    assertSameAsAnew(FISHER, pool.release());
    pool.stage.restart(); // with its files
    pool.arrive(new Model("c", 1, 1, null));
    assertReads(read(() -> assertThat(pool.release()).isNotEmpty()), 1);
  }

  /** Another instance has carried plans out meanwhile, so no set names the old file. */
  @Test
  void sumsThatAreOutOfDateAreRemovedWhenThePartitionComesBack() throws IOException {
    start(FISHER, 18);
    Path file = sumsFile();
    Path old = directory.resolve("old");
    Files.copy(file, old);
    pool.stage.stage().restart(() -> FileTree.delete(sums()));
    pool.withdraw("m2");
    pool.release();
    pool.stage
        .stage()
        .restart(
            () -> {
              try {
                Files.move(old, file);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    assertThat(file).doesNotExist();
    pool.arrive(new Model("d", 1, 1, null));
    assertReads(read(pool::release), 1);
  }

  /** A block that was written in part has no valid checksum. */
  @Test
  void aFullDiskEndsTheStepAndLeavesNoWrongBlock() throws IOException {
    try (SmallDisk disk = SmallDisk.mount(directory.resolve("pool-0/payloads"))) {
      pool = open(FISHER);
      for (int m = 0; m < 17; m++) {
        pool.arrive(new Model("m" + m, 1, 1, null));
      }
      disk.fill();
      pool.plan();
      assertThatThrownBy(pool::carryOut).hasStackTraceContaining("No space left");
      Files.delete(disk.directory().resolve("filled"));
      pool.stage.restart();
      Map<String, ByteBuffer> merged = pool.release();
      assertSameAsAnew(FISHER, merged);
      close(); // before the disk goes
    } catch (IOException e) {
      Assumptions.abort("no small file system can be mounted here: " + e.getMessage());
    }
  }

  /** A kill in any step: the stores are those before the plan, the file is ahead of them. */
  @Test
  void aKillInTheMiddleOfAStepLeavesNoTrace() throws IOException {
    start(FISHER, 18);
    pool.stage.hurry();
    Path stores = directory.resolve("pool-0/kept");
    for (int steps = 1; steps < 12; steps += 2) {
      pool.arrive(new Model("k" + steps, 1, 1, null));
      pool.refine("m" + steps);
      Path snapshot = directory.resolve("snapshot-" + steps);
      pool.stage.stage().restart(() -> copy(stores, snapshot));
      pool.plan();
      for (int step = 0; step < steps; step++) {
        pool.step();
      }
      pool.stage
          .stage()
          .restart(
              () -> {
                FileTree.delete(stores);
                copy(snapshot, stores);
              });
      pool.withdraw("m" + (17 - steps % 5));
      pool.arrive(new Model("m" + (17 - steps % 5), 1 + steps, 1, null));
      pool.plan();
      for (int step = 0; step < 100; step++) {
        pool.step();
      }
      assertSameAsAnew(FISHER, pool.merged());
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

  static Stream<MergeFormula> formulas() {
    return Stream.of(
        FISHER,
        new FisherAverage(1, 1, Unit.ONE, 0),
        new FisherAverage(1.5, 0.5, Unit.MEAN, 1e-3),
        new GradientMatching(0.9, 0.3),
        new TaskArithmetic(0.3));
  }

  /**
   * Models that leave a parameter as the base has it: with a weight, without one, and few others.
   */
  @ParameterizedTest
  @EnumSource(UnchangedWeight.class)
  void adaptersAreInTheSumsOfWhatTheyHaveASayIn(UnchangedWeight weight) {
    unchanged = weight;
    for (MergeFormula formula : List.of(FISHER, new TaskArithmetic(0.3))) {
      start(formula, 15);
      for (int m = 0; m < 4; m++) {
        pool.arrive(new Model(SumsPool.ADAPTER + m, 1, 1, null));
        assertSameAsAnew(formula, pool.release());
      }
      pool.withdraw(SumsPool.ADAPTER + 1);
      pool.refine(SumsPool.ADAPTER + 2);
      assertSameAsAnew(formula, pool.release());
      pool.arrive(new Model("m20", 1, 1, null));
      pool.withdraw(SumsPool.ADAPTER + 0);
      assertSameAsAnew(formula, pool.release());
      close();
    }
  }

  /** Arrivals, new versions, refinements, weights, withdrawals, restarts and lost files. */
  @ParameterizedTest
  @MethodSource("formulas")
  void aHistoryLeavesNoTrace(MergeFormula formula) throws IOException {
    Random random = new Random(formula.hashCode());
    pool = open(formula);
    for (int change = 0; change < 80; change++) {
      change(random, change);
      if (random.nextInt(3) > 0 && !pool.models().isEmpty()) {
        Map<String, ByteBuffer> merged = pool.release();
        if (change % 40 == 39) {
          assertSameAsAnew(formula, merged);
        }
      }
    }
    assertSameAsAnew(formula, pool.release());
  }

  private void change(Random random, int number) throws IOException {
    List<String> names = new ArrayList<>(pool.models().keySet());
    if (names.size() < 15 + number % 6) {
      pool.arrive(
          new Model("a" + number, 1, 1 + random.nextInt(2), random.nextInt(4) == 0 ? 0.3 : null));
      return;
    }
    String name = names.get(random.nextInt(names.size()));
    Model model = pool.models().get(name);
    switch (random.nextInt(8)) {
      case 0 -> pool.arrive(new Model(name, model.version() + 1, 1, model.coefficient()));
      case 1, 2 -> pool.refine(name);
      case 3 -> pool.weigh(name, random.nextBoolean() ? null : random.nextDouble());
      case 4, 5 -> pool.withdraw(name);
      case 6 -> pool.stage.restart();
      default -> {
        pool.stage.restart();
        if (random.nextInt(4) == 0) {
          pool.stage.comeBackLate();
        }
      }
    }
  }
}
