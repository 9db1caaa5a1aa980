package io.fisherstreams.simulate;

import io.fisherstreams.InvalidInput;

/**
 * How large a pool is.
 *
 * @param models models that arrive
 * @param shards shards of each
 * @param parameters named tensors that those are spread over
 * @param partitions of the sharded topics
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

  /** Shards of one parameter: as even as whole numbers allow. */
  int shardsOf(int parameter) {
    return shards / parameters + (parameter < shards % parameters ? 1 : 0);
  }

  /** Shards in one partition, rounded up. */
  int shardsPerPartition() {
    return (shards + partitions - 1) / partitions;
  }
}
