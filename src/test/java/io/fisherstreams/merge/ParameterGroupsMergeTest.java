package io.fisherstreams.merge;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.merge.SumsPool.Model;
import io.fisherstreams.record.UnchangedWeight;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A model with a coefficient of its own in a group of parameters: each parameter has the bytes of a
 * merge without groups, in which the model has that coefficient.
 */
class ParameterGroupsMergeTest {
  @TempDir private Path directory;
  private int pools;

  private SumsPool open(MergeFormula formula) {
    return new SumsPool(directory.resolve("pool-" + pools++), formula, UnchangedWeight.NO_SAY);
  }

  static Stream<MergeFormula> formulas() {
    return Stream.of(
        new FisherAverage(1, 1, Unit.NORM, 1e-6),
        new FisherAverage(1.5, 1, Unit.ONE, 0),
        new FisherAverage(1, 0.5, Unit.NORM, 1e-6),
        new FisherAverage(1.5, 0.5, Unit.MEAN, 1e-3),
        new FisherAverage(1, 0, Unit.NORM, 0),
        new GradientMatching(0.9, 0.3),
        new TaskArithmetic(0.3));
  }

  private static List<Model> models(int count) {
    Random random = new Random(count);
    List<Model> models = new ArrayList<>();
    for (int m = 0; m < count; m++) {
      double own = 0.1 + random.nextDouble();
      models.add(new Model("m" + m, 1, 1, own, m % 3 == 0 ? null : random.nextDouble()));
    }
    return models;
  }

  private Map<String, ByteBuffer> release(MergeFormula formula, List<Model> models) {
    try (SumsPool pool = open(formula)) {
      pool.group();
      models.forEach(pool::arrive);
      return pool.release();
    }
  }

  private Map<String, ByteBuffer> withoutGroups(MergeFormula formula, List<Model> models) {
    try (SumsPool pool = open(formula)) {
      models.forEach(pool::arrive);
      return pool.release();
    }
  }

  private static double inSmall(Model model) {
    return model.inSmall() == null ? model.coefficient() : model.inSmall();
  }

  private void assertEachGroupIsAMergeOfItsOwn(
      MergeFormula formula, List<Model> models, Map<String, ByteBuffer> merged) {
    Map<String, ByteBuffer> outside =
        withoutGroups(formula, models.stream().map(model -> model.withSmall(null)).toList());
    Map<String, ByteBuffer> small =
        withoutGroups(
            formula,
            models.stream()
                .map(model -> model.withCoefficient(inSmall(model)).withSmall(null))
                .toList());
    assertThat(merged.get("large")).isEqualTo(outside.get("large"));
    assertThat(merged.get("small")).isEqualTo(small.get("small"));
    assertThat(small.get("small")).isNotEqualTo(outside.get("small"));
  }

  @ParameterizedTest
  @MethodSource("formulas")
  void eachGroupIsAMergeOfItsOwn(MergeFormula formula) {
    for (int count : List.of(3, 18)) { // 18 are merged by kept sums
      List<Model> models = models(count);
      assertEachGroupIsAMergeOfItsOwn(formula, models, release(formula, models));
    }
  }

  @ParameterizedTest
  @MethodSource("formulas")
  void aGroupInWhichEveryCoefficientIsZeroIsTheBases(MergeFormula formula) {
    try (SumsPool pool = open(formula)) {
      Map<String, ByteBuffer> base;
      pool.group();
      // A merge of the base's value alone: no model has a say in it.
      pool.arrive(new Model(SumsPool.ADAPTER, 1, 1, 1.0));
      base = pool.release();
      for (int count : List.of(3, 18)) {
        List<Model> zero = models(count).stream().map(model -> model.withSmall(0.0)).toList();
        Map<String, ByteBuffer> merged = release(formula, zero);
        assertThat(merged.get("small")).isEqualTo(base.get("small"));
        assertThat(merged.get("large"))
            .isEqualTo(
                withoutGroups(formula, zero.stream().map(m -> m.withSmall(null)).toList())
                    .get("large"));
      }
    }
  }

  /** Arrivals, withdrawals and weights in the group and outside it, with kept sums. */
  @ParameterizedTest
  @MethodSource("formulas")
  void aHistoryLeavesNoTrace(MergeFormula formula) {
    Random random = new Random(5);
    try (SumsPool pool = open(formula)) {
      pool.group();
      models(17).forEach(pool::arrive);
      for (int change = 0; change < 30; change++) {
        List<String> names = List.copyOf(pool.models().keySet());
        String name = names.get(random.nextInt(names.size()));
        switch (random.nextInt(6)) {
          case 0 -> pool.arrive(new Model("n" + change, 1, 1, random.nextDouble(), 0.5));
          case 1 -> pool.weigh(name, random.nextDouble());
          case 2 -> pool.weighSmall(name, random.nextDouble());
          case 3 -> pool.weighSmall(name, null);
          case 4 -> pool.stage.restart();
          default -> {
            if (names.size() > 16) {
              pool.withdraw(name);
            }
          }
        }
        if (change % 3 == 0) {
          pool.release();
        }
      }
      List<Model> models = List.copyOf(pool.models().values());
      Map<String, ByteBuffer> merged = pool.release();
      assertThat(merged).isEqualTo(release(formula, models));
      assertEachGroupIsAMergeOfItsOwn(formula, models, merged);
    }
  }
}
