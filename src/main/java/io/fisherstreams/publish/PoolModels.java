package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicModelCatalog;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import java.util.Optional;
import java.util.TreeSet;

/** The accepted manifests in topic {@code models}, as of the last {@link #sync()}. */
public final class PoolModels implements AutoCloseable {
  private final String pool;
  private final TopicModelCatalog catalog;

  private PoolModels(String pool, TopicModelCatalog catalog) {
    this.pool = pool;
    this.catalog = catalog;
  }

  /** Reads the topic to its present end. */
  public static PoolModels open(KafkaSettings kafka, PoolTopics topics) {
    PoolModels models =
        new PoolModels(topics.pool(), TopicModelCatalog.open(kafka, topics.models()));
    try {
      models.sync();
    } catch (RuntimeException e) {
      models.close();
      throw e;
    }
    return models;
  }

  /** The base model's manifest at this moment. */
  public static Optional<ModelManifest> base(KafkaSettings kafka, PoolTopics topics) {
    try (PoolModels models = open(kafka, topics)) {
      return models.findBase();
    }
  }

  /** Reads what has come since, to the topic's present end. */
  public void sync() {
    catalog.sync();
  }

  /** A model's manifest. */
  public Optional<ModelManifest> find(String model) {
    return catalog.latest(model);
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
                        + new TreeSet<>(catalog.names())));
  }

  /**
   * Rejects a second base, and a role that the model does not have. The stages reject such a
   * manifest too; here the message comes before anything is sent.
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

  /**
   * Reads the topic again, and rejects a manifest that is not, or not any more, the model's newest
   * accepted one: another publisher, or the coordinator, has decided otherwise.
   */
  public void requireCurrent(ModelManifest sent) {
    sync();
    ModelVersion own = new ModelVersion(sent.getModel(), sent.getVersion());
    ModelManifest found =
        find(own.model())
            .orElseThrow(
                () ->
                    new InvalidInput(
                        own
                            + " is not in the pool: it was withdrawn, or rejected (topic dead-letters has the reason)"));
    long version = found.getVersion();
    if (version > own.version()) {
      throw new InvalidInput(
          own
              + " was replaced by version "
              + version
              + ", which another publisher has announced; nothing of "
              + own
              + " is merged from now on");
    }
    if (version < own.version()) {
      throw new InvalidInput(
          own
              + " was rejected (topic dead-letters has the reason); the pool keeps version "
              + version);
    }
    if (!ManifestRules.isSameContent(found, sent)) {
      throw new InvalidInput(
          own
              + " was announced by another publisher at the same time, with other content; publish again under a higher version");
    }
  }

  /** The base model's manifest. */
  public Optional<ModelManifest> findBase() {
    return catalog.base();
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

  @Override
  public void close() {
    catalog.close();
  }
}
