package io.fisherstreams.record;

import java.util.Optional;

/** The manifests in topic {@code models}. */
public interface ModelCatalog {
  /** The newest manifest of a model as last read; empty when the model is unknown or withdrawn. */
  Optional<ModelManifest> latest(String model);

  /**
   * Reads the topic up to its present end. A consumer of two topics may see a shard before its
   * manifest; after this call it does not, because the manifest was acknowledged before the shard
   * was sent.
   */
  void sync();

  /** Reads what has arrived, without waiting. */
  void refresh();

  /**
   * The newest manifest of a model, after a {@link #sync()} when it is older than a version that a
   * record names.
   */
  default Optional<ModelManifest> latest(ModelVersion named) {
    Optional<ModelManifest> latest = latest(named.model());
    if (latest.isEmpty() || latest.get().getVersion() < named.version()) {
      sync();
      latest = latest(named.model());
    }
    return latest;
  }

  /** Rejects a version other than that of the newest manifest with {@link RejectedRecord}. */
  static ModelManifest requireCurrent(Optional<ModelManifest> latest, ModelVersion named) {
    if (latest.isEmpty()) {
      throw new RejectedRecord(
          RejectionKind.UNKNOWN_MODEL, "model " + named.model() + " is unknown or withdrawn");
    }
    long current = latest.get().getVersion();
    if (current != named.version()) {
      throw new RejectedRecord(
          current > named.version() ? RejectionKind.STALE : RejectionKind.UNKNOWN_MODEL,
          named
              + (current > named.version()
                  ? " is stale: the current version is "
                  : " is unknown: the newest version is ")
              + current);
    }
    return latest.get();
  }
}
