package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.AcceptedManifests;
import io.fisherstreams.record.Correction;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import java.util.Optional;

/** The accepted manifests in topic {@code models}, read once. */
public final class PoolModels {
  private final String pool;
  private final AcceptedManifests manifests;

  private PoolModels(String pool, AcceptedManifests manifests) {
    this.pool = pool;
    this.manifests = manifests;
  }

  /** Reads the topic to its present end. */
  public static PoolModels read(KafkaSettings kafka, PoolTopics topics) {
    AcceptedManifests manifests = new AcceptedManifests(System::currentTimeMillis);
    TopicReader.readRecords(
        kafka,
        topics.models(),
        (record, manifest) ->
            manifests.add(
                record.key(), manifest, record.offset(), Correction.corrected(record.headers())));
    return new PoolModels(topics.pool(), manifests);
  }

  /** A model's manifest. */
  public Optional<ModelManifest> find(String model) {
    return manifests.find(model);
  }

  /** A model's manifest; rejects an unknown model, with the names of the pool's models. */
  public ModelManifest require(String model) {
    return find(model)
        .orElseThrow(
            () ->
                new InvalidInput(
                    "pool "
                        + pool
                        + " has no model "
                        + model
                        + "; it has "
                        + manifests.all().keySet()));
  }

  /**
   * Rejects a second base, and a role that the model does not have. The stages reject such a
   * manifest too, but on its compacted topic it would replace the valid one.
   */
  public void requireRole(String model, Role role) {
    Optional<ModelManifest> known = find(model);
    if (known.isPresent() && known.get().getRole() != role) {
      throw new InvalidInput(
          known.get().getRole() == Role.BASE
              ? model + " is the pool's base model; publish it with --base"
              : model + " is a fine-tuned model of the pool; withdraw it first");
    }
    Optional<ModelManifest> base = findBase();
    if (role == Role.BASE && base.isPresent() && !base.get().getModel().equals(model)) {
      throw new InvalidInput(
          "the pool's base model is " + base.get().getModel() + "; withdraw it first");
    }
  }

  /** The base model's manifest. */
  public Optional<ModelManifest> findBase() {
    return manifests.base();
  }

  /** The base model's manifest; rejects a pool without a base. */
  public ModelManifest requireBase() {
    return findBase()
        .orElseThrow(
            () ->
                new InvalidInput(
                    "pool "
                        + pool
                        + " has no base model yet; publish it first: fisher-streams publish checkpoint --base"));
  }
}
