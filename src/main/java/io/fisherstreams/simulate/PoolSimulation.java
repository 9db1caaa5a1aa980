package io.fisherstreams.simulate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A pool that grows to its size, and what an arrival costs on the way. */
final class PoolSimulation {
  private final Scale scale;
  private final Path directory;

  /** Payload files lie in the directory. */
  PoolSimulation(Scale scale, Path directory) {
    this.scale = scale;
    this.directory = directory;
  }

  /** Whether an arrival is told of: those that make the pool 1, 10, 100 ... and its full size. */
  private boolean isTold(int models) {
    int power = 1;
    while (power < models) {
      power *= 10;
    }
    return models == power || models == scale.models();
  }

  /** The coordinator's part of arrivals. */
  List<Row> coordinator() {
    CoordinatorSimulation coordinator = new CoordinatorSimulation(scale);
    List<Row> rows = new ArrayList<>();
    for (int models = 0; models < scale.models(); models++) {
      Row row = coordinator.arrive(models);
      if (isTold(row.models())) {
        rows.add(row);
      }
    }
    return rows;
  }

  /**
   * One partition's part.
   *
   * @param intakes gets what the models' records cost
   * @param plans gets what the plans cost
   */
  void partition(List<Row> intakes, List<Row> plans) {
    try (PartitionSimulation partition = new PartitionSimulation(scale, directory)) {
      for (int models = 0; models < scale.models(); models++) {
        Row intake = partition.arrive(models);
        if (isTold(intake.models())) {
          intakes.add(intake);
          plans.add(partition.carryOut(intake.models()));
        }
      }
    }
  }
}
