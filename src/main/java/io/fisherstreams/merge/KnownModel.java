package io.fisherstreams.merge;

import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.tensor.PartitionLayout;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A model version's manifest and, computed from it, the layouts of its checkpoint and its Fisher in
 * the payload files of one partition.
 */
final class KnownModel {
  private final ModelManifest manifest;
  private final ModelVersion version;
  private final String id;
  private final PartitionLayout checkpoint;
  private final PartitionLayout fisher;
  private final int partition;
  private final int partitions;
  private final Set<String> unchanged;

  KnownModel(ModelManifest manifest, int partition, int partitions) {
    this.manifest = manifest;
    version = new ModelVersion(manifest.getModel(), manifest.getVersion());
    id = version.toString();
    this.partition = partition;
    this.partitions = partitions;
    List<TensorInfo> all = new ArrayList<>();
    List<TensorInfo> merged = new ArrayList<>();
    for (Parameter parameter : manifest.getParameters()) {
      TensorInfo tensor = ManifestTensors.of(parameter);
      all.add(tensor);
      if (parameter.getMerged()) {
        merged.add(tensor);
      }
    }
    checkpoint = new PartitionLayout(all, partition, partitions);
    fisher = new PartitionLayout(merged, partition, partitions);
    unchanged = ManifestTensors.unchangedNames(manifest);
  }

  ModelManifest manifest() {
    return manifest;
  }

  ModelVersion version() {
    return version;
  }

  /** {@code model@version}. */
  String id() {
    return id;
  }

  /** Whether the model leaves a parameter as its base has it. */
  boolean isUnchanged(String parameter) {
    return unchanged.contains(parameter);
  }

  /** Whether the model has a shard of its own; false if it leaves it as its base has it. */
  boolean owns(Shard shard) {
    return !isUnchanged(shard.tensor().name());
  }

  /** The layout of all parameters' shards. */
  PartitionLayout checkpoint() {
    return checkpoint;
  }

  /** The layout of the merged parameters' shards. */
  PartitionLayout fisher() {
    return fisher;
  }

  /** Where a checkpoint shard lies; rejects a shard that is not in this partition's layout. */
  PartitionLayout.Slot checkpointSlot(String parameter, int shard) {
    return require(checkpoint, parameter, shard, "a parameter that its manifest does not list");
  }

  /** Where a shard's Fisher lies; rejects a shard that is not in this partition's layout. */
  PartitionLayout.Slot fisherSlot(String parameter, int shard) {
    return require(fisher, parameter, shard, "a parameter that its manifest does not merge");
  }

  private PartitionLayout.Slot require(
      PartitionLayout layout, String parameter, int shard, String otherwise) {
    PartitionLayout.Slot slot = layout.slot(parameter, shard);
    if (slot != null) {
      return slot;
    }
    for (Parameter listed : manifest.getParameters()) {
      if (listed.getName().equals(parameter)) {
        int shards = Shard.count(ManifestTensors.of(listed));
        if (shard < 0 || shard >= shards) {
          throw new RejectedRecord(
              RejectionKind.MANIFEST_MISMATCH,
              Shard.id(parameter, shard)
                  + " of "
                  + id()
                  + ": there is no such shard, the parameter has "
                  + shards);
        }
        int home = Shard.partition(parameter, shard, partitions);
        if (home != partition) {
          throw new RejectedRecord(
              RejectionKind.PARTITION,
              Shard.id(parameter, shard)
                  + " of "
                  + id()
                  + " belongs to partition "
                  + home
                  + " of "
                  + partitions
                  + ", not to "
                  + partition);
        }
      }
    }
    throw new RejectedRecord(
        RejectionKind.MANIFEST_MISMATCH,
        Shard.id(parameter, shard) + " of " + id() + ": " + otherwise);
  }
}
