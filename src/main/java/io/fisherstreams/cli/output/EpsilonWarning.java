package io.fisherstreams.cli.output;

import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.UnchangedWeight;
import io.fisherstreams.tensor.TensorInfo;
import java.io.PrintWriter;
import java.util.List;

/** Warns a user whose Fisher is small against the constant that the pool's method adds to it. */
public final class EpsilonWarning {
  private EpsilonWarning() {}

  /**
   * Prints the warning, before anything is sent.
   *
   * @param fisher the sums of the Fisher that would be sent
   */
  public static void print(
      ModelManifest base, ModelManifest manifest, MergeFormula.Model fisher, PrintWriter err) {
    MergeFormula formula = MergeMethods.formula(base.getMethod());
    MergeSet mergeSet = ModelCheck.mergeSet(base);
    long entries =
        base.getMethod().getUnchangedParameters() == UnchangedWeight.NO_SAY
            ? fisher.entries()
            : ManifestTensors.all(base).stream()
                .filter(tensor -> mergeSet.merges(tensor.name()))
                .mapToLong(TensorInfo::elements)
                .sum();
    MergeFormula.Model whole =
        new MergeFormula.Model(fisher.coefficient(), fisher.total(), fisher.norm(), entries);
    MergeFormula.Mass mass = formula.mass(formula.factors(whole), whole.total(), whole.entries());
    EpsilonShares.warning(
            formula,
            List.of(new EpsilonShares.Part(manifest.getModel(), 1, EpsilonShares.of(mass))))
        .ifPresent(warning -> err.println("warning: " + warning));
  }
}
