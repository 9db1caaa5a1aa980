package io.fisherstreams.cli.output;

import io.fisherstreams.coordinator.PoolView;
import io.fisherstreams.record.ModelManifest;
import java.io.PrintWriter;
import java.util.Locale;

/** Warns a user who sends gradients or a Fisher to a model whose Fisher is already final. */
public final class SealedFisherWarning {
  private SealedFisherWarning() {}

  /** Prints the warning if the model has its whole Fisher and is not refined. */
  public static void print(PoolView view, ModelManifest manifest, PrintWriter err) {
    if (manifest.getRefineEvery() == 0
        && view.isReady(manifest.getModel(), manifest.getVersion())) {
      err.printf(
          Locale.ROOT,
          "warning: %s@%d has its whole Fisher and is not refined (refine-every is 0): only data that it already has is ignored, all other data goes to dead-letters%n",
          manifest.getModel(),
          manifest.getVersion());
    }
  }
}
