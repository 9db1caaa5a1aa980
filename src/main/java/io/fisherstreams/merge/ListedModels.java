package io.fisherstreams.merge;

import java.util.List;
import java.util.Optional;

/** Models of a shard that can all be read. */
abstract class ListedModels implements ShardModels {
  /** The models, in the order of their names. */
  final List<ShardInput> inputs;

  ListedModels(List<ShardInput> inputs) {
    this.inputs = List.copyOf(inputs);
  }

  @Override
  public final int count() {
    return inputs.size();
  }

  @Override
  public final double weights() {
    return inputs.stream().mapToDouble(ShardInput::weight).reduce(0, Double::sum);
  }

  @Override
  public final Optional<List<ShardInput>> all() {
    return Optional.of(inputs);
  }
}
