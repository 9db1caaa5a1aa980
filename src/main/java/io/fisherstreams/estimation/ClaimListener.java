package io.fisherstreams.estimation;

import io.fisherstreams.record.ModelVersion;

/** Is told how far an instance of the gradient stage is, on threads of the instance. */
public interface ClaimListener {
  /** Nobody listens. */
  ClaimListener NONE =
      new ClaimListener() {
        @Override
        public void claimed(ModelVersion version, long examples) {}

        @Override
        public void counted(ModelVersion version, long examples) {}
      };

  /**
   * How many examples the sums of the claim under way hold: 0 when the model is in memory, and
   * again fewer after a claim was given up.
   */
  void claimed(ModelVersion version, long examples);

  /** So many more examples are counted for good, and the claim is over. */
  void counted(ModelVersion version, long examples);
}
