package io.fisherstreams.release;

import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.Locale;

/** The model card of a release: its whole plan, for readers who find the merged model later. */
public final class ModelCard {
  private ModelCard() {}

  /** The card in Markdown, with the metadata block that model hubs read. */
  public static String of(Release release, Collection<TensorInfo> tensors, TiedWeights ties) {
    MergePlan plan = release.getPlan();
    MergeMethod method = plan.getMethod();
    StringBuilder card = new StringBuilder();
    card.append("---\ntags:\n- merge\n- fisher-merging\n---\n");
    card.append("# Fisher-weighted merge, release ").append(release.getRelease()).append("\n\n");
    card.append(
        "Merged by FisherStreams: every parameter is the average of the models' parameters, entry by entry weighted with\n"
            + "their diagonal Fisher information, `θ = Σ c (F + ε) θ_m / Σ c (F + ε)`.\n\n");
    line(card, "Base model", plan.getBaseModel() + ", version " + plan.getBaseVersion());
    line(card, "Made", release.getAt().toString());
    line(card, "Minimal Fisher weight ε", Double.toString(method.getMinimalFisherWeight()));
    line(
        card,
        "Fisher weights normalised",
        method.getNormalizeFisherWeight() ? "yes, c = λ / (N + ε)" : "no, c = λ");
    line(
        card,
        "Excluded parameters",
        method.getExcludeParamNamesRegex().isEmpty()
            ? "none"
            : "`"
                + String.join("`, `", method.getExcludeParamNamesRegex())
                + "` keep the base's values");
    line(
        card,
        "Output type",
        method.getOutputDtype() == null ? "the base model's" : method.getOutputDtype());
    if (release.getUnweighted() > 0) {
      line(
          card,
          "Entries without any weight",
          release.getUnweighted()
              + " (every Fisher 0 with ε 0): average of the models by coefficient");
    }
    MergedTensors.of(tensors, method.getExcludeParamNamesRegex(), ties)
        .lines()
        .forEach(text -> line(card, "Tensors", text));
    line(card, "Checksum", "`" + release.getChecksum() + "`");
    card.append(
        "\n| model | version | Fisher epoch | λ | Fisher norm N | share of the weights |\n|---|---|---|---|---|---|\n");
    for (PlannedModel model : plan.getModels()) {
      card.append(
          String.format(
              Locale.ROOT,
              "| %s | %d | %d | %.6g | %.6g | %.2f %% |%n",
              model.getModel(),
              model.getVersion(),
              model.getEpoch(),
              model.getCoefficient(),
              model.getFisherNorm(),
              100 * model.getShare()));
    }
    return card.toString();
  }

  private static void line(StringBuilder card, String name, String value) {
    card.append("- ").append(name).append(": ").append(value).append('\n');
  }
}
