package io.fisherstreams.estimation;

import io.fisherstreams.record.ModelVersion;

/** Is notified of the progress of an instance of the gradient stage, on the instance's threads. */
public interface ClaimListener {
  /** Ignores everything. */
  ClaimListener NONE =
      new ClaimListener() {
        @Override
        public void claimed(ModelVersion version, long examples) {}

        @Override
        public void counted(ModelVersion version, long examples) {}
      };

  /**
   * The claim under way has so many examples in its sums: 0 when its model is loaded, and fewer
   * than before after a claim was abandoned.
   */
  void claimed(ModelVersion version, long examples);

  /** So many more examples are counted, which is final, and the claim has ended. */
  void counted(ModelVersion version, long examples);
}
