package io.fisherstreams.merge;

import io.fisherstreams.record.ModelManifest;
import java.util.Optional;

/** What topic {@code models} says now. */
public interface ModelCatalog {
  /** The newest manifest of a model as last read; empty when the model is unknown or withdrawn. */
  Optional<ModelManifest> latest(String model);

  /**
   * Reads the topic up to its present end. A shard may overtake its manifest between two topics; it
   * cannot overtake it here, because the manifest was acknowledged before the shard was sent.
   */
  void sync();

  /** Reads what has arrived, without waiting. */
  void refresh();
}
