package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PartitionReportTest {
  @TempDir private Path directory;
  private MergePartition partition;

  @BeforeEach
  void open() {
    partition = new MergePartition(directory);
  }

  @AfterEach
  void close() {
    partition.close();
  }

  private ModelProgress report(KnownModel model) {
    List<ModelProgress> parts = parts(model);
    assertThat(parts).hasSize(1);
    return parts.get(0);
  }

  private List<ModelProgress> parts(KnownModel model) {
    return new PartitionReport(partition.context.ledger()).of(model);
  }

  private void fisher(String parameter, long sequence, float value) {
    partition.gradients(
        batch("a", 1, parameter, "s", sequence, 1, Encoding.SQUARED_SUM, floats(value)));
  }

  @Test
  void missingCheckpointsAreNamedFirstThenMissingFishersThenComeTheSums() {
    KnownModel model = partition.model(manifest("a", 1), parameter("v", 1), parameter("w", 1));
    partition.checkpoint("a", 1, "w", 1);
    fisher("w", 0, 0.1f);
    ModelProgress progress = report(model);
    assertThat(progress.getShards()).isEqualTo(2);
    assertThat(progress.getPresent()).isEqualTo(1);
    assertThat(progress.getMissing()).containsExactly("v[0]");
    partition.checkpoint("a", 1, "v", 1);
    progress = report(model);
    assertThat(progress.getFisherShards()).isEqualTo(2);
    assertThat(progress.getSealed()).isEqualTo(1);
    assertThat(progress.getEpoch()).isZero();
    assertThat(progress.getMissing()).containsExactly("v[0]");
    assertThat(progress.getSums()).isEmpty();
    fisher("v", 0, 3);
    progress = report(model);
    assertThat(progress.getEpoch()).isEqualTo(1);
    assertThat(progress.getMissing()).isEmpty();
    double tenth = 0.1f;
    assertThat(progress.getSums())
        .satisfiesExactly(
            v -> {
              assertThat(v.getParameter()).isEqualTo("v");
              assertThat(new BigDecimal(v.getSquares())).isEqualByComparingTo("9");
            },
            w -> {
              assertThat(w.getParameter()).isEqualTo("w");
              assertThat(new BigDecimal(w.getTotal())).isEqualByComparingTo(new BigDecimal(tenth));
              assertThat(new BigDecimal(w.getSquares()))
                  .isEqualByComparingTo(new BigDecimal(tenth * tenth));
            });
  }

  @Test
  void atMostTwentyMissingShardsAreNamed() {
    Parameter[] parameters =
        IntStream.range(0, 30).mapToObj(i -> parameter("p" + i, 1)).toArray(Parameter[]::new);
    ModelProgress progress = report(partition.model(manifest("a", 1), parameters));
    assertThat(progress.getShards()).isEqualTo(30);
    assertThat(progress.getMissing()).hasSize(20).startsWith("p0[0]", "p1[0]");
  }

  @Test
  void aShardThatStartsAgainIsMissingUntilItHasTheOthersEpoch() {
    KnownModel model =
        partition.model(
            manifest("a", 1).setExamples(1).setRefineEvery(1),
            parameter("v", 1),
            parameter("w", 1));
    partition.checkpoint("a", 1, "v", 1);
    partition.checkpoint("a", 1, "w", 1);
    for (int i = 0; i < 2; i++) {
      fisher("v", i, 1);
      fisher("w", i, 1);
    }
    partition.fisher(model, "v").retireBefore(2);
    partition.fisher(model, "w").retireBefore(2);
    partition.fisher(model, "w").lose();
    fisher("w", 0, 1);
    ModelProgress progress = report(model);
    assertThat(progress.getEpoch()).isZero();
    assertThat(progress.getSealed()).isEqualTo(1);
    assertThat(progress.getMissing()).containsExactly("w[0]");
    fisher("w", 1, 1);
    assertThat(report(model).getEpoch()).isEqualTo(2);
  }

  @Test
  void sumsOfAnyNumberOfParametersAreSplitOverRecordsThatFit() throws IOException {
    Parameter[] parameters = new Parameter[1_500];
    for (int i = 0; i < parameters.length; i++) {
      parameters[i] = parameter(String.format(Locale.ROOT, "p%04d", i).repeat(200), 1);
    }
    KnownModel model = partition.model(manifest("a", 1), parameters);
    for (Parameter parameter : parameters) {
      partition.checkpoint("a", 1, parameter.getName(), 1);
    }
    assertThat(parts(model)).as("incomplete: no sums").hasSize(1);
    for (Parameter parameter : parameters) {
      // its square has the most digits: the smallest float32 numbers are multiples of 2^-149
      fisher(parameter.getName(), 0, Math.nextDown(Float.MIN_NORMAL));
    }
    List<ModelProgress> parts = parts(model);
    assertThat(parts).hasSizeGreaterThan(5).hasSize(PartitionReport.parts(model));
    List<String> names = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      ModelProgress part = parts.get(i);
      assertThat(part.getPart()).isEqualTo(i);
      assertThat(part.getParts()).isEqualTo(parts.size());
      assertThat(part.getEpoch()).isEqualTo(1);
      assertThat(new PartitionProgress(0, part).toByteBuffer().remaining())
          .isLessThan(PoolTopics.MAX_VALUE_BYTES);
      part.getSums().forEach(sums -> names.add(sums.getParameter()));
    }
    assertThat(names)
        .containsExactly(Stream.of(parameters).map(Parameter::getName).toArray(String[]::new));
  }
}
