package io.fisherstreams.oneshot;

import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.MergeFormula;
import java.nio.file.Path;
import java.util.Map;

/** The models of a one-shot merge, which can be merged again in other ways. */
public interface MergeSession {
  /**
   * Merges the models again.
   *
   * @param coefficients of the models that get others than they have; a model that is not named
   *     keeps its own
   * @param output a file, which is written
   * @throws io.fisherstreams.InvalidInput when the merged model is not finite
   */
  void merge(MergeFormula formula, Map<String, Coefficients> coefficients, Path output);
}
