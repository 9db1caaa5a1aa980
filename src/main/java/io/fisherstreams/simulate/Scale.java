package io.fisherstreams.simulate;

import io.fisherstreams.InvalidInput;

/**
 * The size of a pool.
 *
 * @param models number of models that arrive
 * @param shards shards of each model
 * @param parameters named tensors of each model
 * @param partitions partitions of the sharded topics
 */
record Scale(int models, int shards, int parameters, int partitions) {
  Scale {
    require("models", models, Integer.MAX_VALUE);
    require("shards", shards, Integer.MAX_VALUE);
    require("parameters", parameters, shards);
    require("partitions", partitions, shards);
  }

  private static void require(String name, int value, int most) {
    if (value < 1 || value > most) {
      throw new InvalidInput("--" + name + " is " + value + ", expected 1 to " + most);
    }
  }

  /** Shards of one parameter, spread as evenly as possible. */
  int shardsOf(int parameter) {
    return shards / parameters + (parameter < shards % parameters ? 1 : 0);
  }

  /** Shards in one partition, rounded up. */
  int shardsPerPartition() {
    return (shards + partitions - 1) / partitions;
  }
}
