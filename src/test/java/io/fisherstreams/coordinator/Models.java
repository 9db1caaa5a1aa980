package io.fisherstreams.coordinator;

import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.serde.StateSerde;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Manifests of one small architecture and the reports that the merge stage would send of them:
 * {@code head} [5], {@code scale} scalar, {@code weight} of three shards.
 */
final class Models {
  static final long ELEMENTS = 5 + 1 + 600_000;

  static {
    StateSerde.of(CoordinatorState.class); // lets Avro create the defaults of our records
  }

  private Models() {}

  static List<Parameter> parameters(boolean merged) {
    return new ArrayList<>(
        List.of(
            new Parameter("head", "F32", List.of(5L), merged),
            new Parameter("scale", "F32", List.of(), merged),
            new Parameter("weight", "F32", List.of(2L, 300_000L), merged)));
  }

  static MergeMethod method(boolean normalize, double epsilon, String... exclude) {
    return MergeMethods.fisher(new ArrayList<>(List.of(exclude)), normalize, epsilon, null);
  }

  static ModelManifest base(long version, MergeMethod method) {
    return ModelManifest.newBuilder()
        .setModel("base")
        .setVersion(version)
        .setRole(Role.BASE)
        .setParameters(parameters(false))
        .setMethod(method)
        .build();
  }

  static ModelManifest.Builder model(String name, long version) {
    return ModelManifest.newBuilder()
        .setModel(name)
        .setVersion(version)
        .setRole(Role.FINE_TUNED)
        .setParameters(parameters(true));
  }

  /** One shard's sums over its Fisher. */
  record Sums(double total, double squares) {}

  /** The sums of a model's shards. */
  interface ShardSums {
    Sums of(String parameter, int shard);
  }

  /** The complete reports of all partitions of one model version, by partition. */
  static Map<Integer, ModelProgress> complete(
      ModelManifest manifest, int partitions, int epoch, ShardSums sums) {
    Map<Integer, ModelProgress> reports = new TreeMap<>();
    for (int partition = 0; partition < partitions; partition++) {
      int shards = 0;
      int fisherShards = 0;
      List<FisherSums> fisher = new ArrayList<>();
      for (Parameter parameter : manifest.getParameters()) {
        TensorInfo tensor = new TensorInfo(parameter.getName(), DType.F32, parameter.getShape());
        BigDecimal total = null;
        BigDecimal squares = null;
        for (int index = 0; index < Shard.count(tensor); index++) {
          if (Shard.partition(tensor.name(), index, partitions) == partition) {
            shards++;
            if (parameter.getMerged()) {
              fisherShards++;
              Sums shard = sums.of(tensor.name(), index);
              total = sum(total, shard.total);
              squares = sum(squares, shard.squares);
            }
          }
        }
        if (total != null) {
          fisher.add(new FisherSums(tensor.name(), total.toString(), squares.toString()));
        }
      }
      if (shards > 0) {
        reports.put(
            partition,
            new ModelProgress(
                manifest.getModel(),
                manifest.getVersion(),
                shards,
                shards,
                fisherShards,
                fisherShards == 0 ? 0 : epoch,
                0,
                List.of(),
                fisher,
                0,
                1));
      }
    }
    return reports;
  }

  private static BigDecimal sum(BigDecimal sum, double term) {
    return (sum == null ? BigDecimal.ZERO : sum).add(new BigDecimal(term));
  }

  /** The report with one checkpoint shard, or one sealed Fisher, less. */
  static ModelProgress less(ModelProgress complete, boolean checkpoint) {
    return new ModelProgress(
        complete.getModel(),
        complete.getVersion(),
        complete.getShards(),
        complete.getPresent() - (checkpoint ? 1 : 0),
        complete.getFisherShards(),
        checkpoint ? complete.getEpoch() : 0,
        checkpoint ? 0 : complete.getFisherShards() - 1,
        List.of("weight[1]"),
        List.of(),
        0,
        1);
  }
}
