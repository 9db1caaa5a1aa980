package io.fisherstreams.merge;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.TopicPayloadLog;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The models that a plan merges, as the topics have them while the pool runs. Only the merge stage
 * knows which record has which epoch of a shard and by what its entries are divided: this is in the
 * changelog of its shard states. The payloads are in {@code checkpoint-shards} and {@code
 * gradient-batches}.
 */
final class StoredPlan {
  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final MergePlan plan;
  private final int partitions;
  private final ModelManifest base;
  private final List<ModelManifest> manifests = new ArrayList<>();
  private final MergeSet mergeSet;

  /**
   * The models of a plan that was carried out.
   *
   * @param partitions number of partitions of the pool's sharded topics
   * @throws InvalidInput when the merge stage no longer has one of the plan's models
   */
  StoredPlan(KafkaSettings kafka, PoolTopics topics, int partitions, MergePlan plan) {
    this.kafka = kafka;
    this.topics = topics;
    this.partitions = partitions;
    this.plan = plan;
    Map<String, ModelManifest> held = new HashMap<>();
    TopicReader.readAll(
        kafka,
        MergeTopology.changelog(topics, MergeTopology.MANIFESTS, ModelManifest.class),
        (id, manifest) -> {
          if (manifest != null) {
            held.put(id, manifest);
          }
        });
    base = require(held, plan.getBaseModel(), plan.getBaseVersion());
    plan.getModels()
        .forEach(model -> manifests.add(require(held, model.getModel(), model.getVersion())));
    mergeSet = MergeSet.of(ManifestTensors.all(base), plan.getMethod().getExcludeParamNamesRegex());
  }

  private ModelManifest require(Map<String, ModelManifest> held, String model, long version) {
    String id = new ModelVersion(model, version).toString();
    ModelManifest manifest = held.get(id);
    if (manifest == null) {
      throw PlannedModels.gone(plan, id);
    }
    return manifest;
  }

  MergePlan plan() {
    return plan;
  }

  int partitions() {
    return partitions;
  }

  ModelManifest base() {
    return base;
  }

  /** The fine-tuned models' manifests, in the plan's order. */
  List<ModelManifest> manifests() {
    return Collections.unmodifiableList(manifests);
  }

  /** Whether the plan merges a parameter. */
  boolean merges(String parameter) {
    return mergeSet.merges(parameter);
  }

  /** The stage's states of the plan's shards in one partition, by {@link Ledger#key}. */
  Map<String, ShardState> states(int partition) {
    Set<String> ids = new HashSet<>();
    ids.add(new ModelVersion(plan.getBaseModel(), plan.getBaseVersion()).toString());
    plan.getModels()
        .forEach(
            model -> ids.add(new ModelVersion(model.getModel(), model.getVersion()).toString()));
    Map<String, ShardState> states = new HashMap<>();
    TopicReader.read(
        kafka,
        MergeTopology.changelog(topics, MergeTopology.SHARDS, ShardState.class),
        partition,
        (key, state) -> {
          if (ids.contains(Ledger.modelId(key))) {
            if (state == null) {
              states.remove(key);
            } else {
              states.put(key, state);
            }
          }
        });
    return states;
  }

  /**
   * The sealed Fisher of a shard that the plan merges.
   *
   * @throws InvalidInput when it was retired since
   */
  SealedFisher sealed(
      Map<String, ShardState> states, KnownModel model, PlannedModel planned, Shard shard) {
    ShardState state = states.get(Ledger.key(model, shard));
    if (state == null) {
      throw PlannedModels.gone(plan, model.id());
    }
    return FisherShard.sealed(state, planned.getEpoch())
        .orElseThrow(
            () -> PlannedModels.gone(plan, "epoch " + planned.getEpoch() + " of " + model.id()));
  }

  /**
   * Reads payloads of one partition; one that its topic no longer has is an {@link InvalidInput}.
   */
  Recovery recovery(PartitionPayloads payloads, int partition) {
    return new Recovery(
        topics,
        new TopicPayloadLog(kafka::newReader),
        payloads,
        (model, slot, checkpoint) -> {
          throw PlannedModels.gone(
              plan,
              "%s of %s of %s"
                  .formatted(
                      checkpoint ? "the checkpoint" : "the Fisher", slot.shard().id(), model.id()));
        },
        partition);
  }
}
