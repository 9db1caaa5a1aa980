package io.fisherstreams.simulate;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.cli.Main;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PoolSimulationTest {
  private static final Scale SCALE = new Scale(12, 96, 7, 4);

  @TempDir private Path directory;

  @Test
  void anArrivalCostsTheCoordinatorMessagesByPartitionsAlone() {
    List<Row> rows = new PoolSimulation(SCALE, directory).coordinator();
    assertThat(rows).extracting(Row::models).containsExactly(1, 10, 12);
    // in: the manifest, two reports of the model and one of the plan from each partition;
    // out: a copy of the plan for each, and the release
    assertThat(rows).extracting(Row::received).containsOnly(1L + 3 * 4);
    assertThat(rows).extracting(Row::sent).containsOnly(4L + 1);
  }

  @Test
  void anArrivalCostsAPartitionMessagesByItsShardsAlone() {
    List<Row> intakes = new ArrayList<>();
    List<Row> plans = new ArrayList<>();
    new PoolSimulation(SCALE, directory).partition(intakes, plans);
    assertThat(intakes).extracting(Row::received).containsOnly(2L * 96 / 4);
    // when all checkpoints and all Fishers are there
    assertThat(intakes).extracting(Row::sent).containsOnly(1L);
    assertThat(plans).extracting(Row::models).containsExactly(1, 10, 12);
    // every merged shard, and the report that the plan is done
    assertThat(plans).extracting(Row::sent).containsOnly(96L / 4 + 1);
  }

  @Test
  void theCommandEndsWell() {
    assertThat(
            Main.run(
                "simulate",
                "--models=3",
                "--shards=20",
                "--parameters=5",
                "--partitions=2",
                "--work-directory=" + directory))
        .isZero();
  }
}
