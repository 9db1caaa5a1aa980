package io.fisherstreams.merge;

import io.fisherstreams.merge.ShardMerge.Input;
import java.util.List;
import java.util.Optional;

/** Models of a shard that can all be read. */
abstract class ListedModels implements ShardMerge.Models {
  /** The models, in the order of their names. */
  final List<Input> inputs;

  ListedModels(List<Input> inputs) {
    this.inputs = List.copyOf(inputs);
  }

  @Override
  public final int count() {
    return inputs.size();
  }

  @Override
  public final double weights() {
    return inputs.stream().mapToDouble(Input::weight).reduce(0, Double::sum);
  }

  @Override
  public final Optional<List<Input>> all() {
    return Optional.of(inputs);
  }
}
