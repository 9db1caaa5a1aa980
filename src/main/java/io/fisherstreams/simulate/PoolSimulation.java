package io.fisherstreams.simulate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Measures what an arrival costs while a pool grows. */
final class PoolSimulation {
  private final Scale scale;
  private final Path directory;

  /**
   * A simulation that has not started.
   *
   * @param directory for the payload files
   */
  PoolSimulation(Scale scale, Path directory) {
    this.scale = scale;
    this.directory = directory;
  }

  /** Whether an arrival is reported: it makes the pool's size 1, 10, 100 ... or its full size. */
  private boolean isReported(int models) {
    int power = 1;
    while (power < models) {
      power *= 10;
    }
    return models == power || models == scale.models();
  }

  /** What arrivals cost the coordinator. */
  List<Row> coordinator() {
    CoordinatorSimulation coordinator = new CoordinatorSimulation(scale);
    List<Row> rows = new ArrayList<>();
    for (int models = 0; models < scale.models(); models++) {
      Row row = coordinator.arrive(models);
      if (isReported(row.models())) {
        rows.add(row);
      }
    }
    return rows;
  }

  /**
   * What arrivals cost one partition.
   *
   * @param intakes gets the costs of the models' records
   * @param plans gets the costs of the plans
   */
  void partition(List<Row> intakes, List<Row> plans) {
    try (PartitionSimulation partition = new PartitionSimulation(scale, directory)) {
      for (int models = 0; models < scale.models(); models++) {
        Row intake = partition.arrive(models);
        if (isReported(intake.models())) {
          intakes.add(intake);
          plans.add(partition.carryOut(intake.models()));
        }
      }
    }
  }
}
