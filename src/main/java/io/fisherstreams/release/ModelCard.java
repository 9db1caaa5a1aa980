package io.fisherstreams.release;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ParameterGroup;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.Release;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The model card of a release: its whole plan, for readers who find the merged model later. */
final class ModelCard {
  private static final ObjectMapper JSON = new ObjectMapper();

  private ModelCard() {}

  /**
   * The card in Markdown, with the metadata block that model hubs read.
   *
   * @param base what the base's folder says; empty when it is not known
   */
  static String of(
      Release release, Collection<TensorInfo> tensors, TiedWeights ties, Optional<BaseCard> base) {
    MergePlan plan = release.getPlan();
    MergeMethod method = plan.getMethod();
    StringBuilder card = new StringBuilder();
    MergeFormula formula = MergeMethods.formula(method);
    metadata(card, plan, base);
    card.append("# Merge by ")
        .append(formula.name())
        .append(", release ")
        .append(release.getRelease())
        .append("\n\n");
    card.append("Merged by FisherStreams, entry by entry: `").append(formula.text()).append("`.\n");
    if (formula.readsFishers()) {
      card.append("F is a model's diagonal Fisher information.\n");
    }
    card.append('\n');
    line(card, "Base model", plan.getBaseModel() + ", version " + plan.getBaseVersion());
    line(card, "Made", release.getAt().toString());
    settings(card, formula, plan);
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
    models(card, plan, formula.readsFishers());
    yaml(card, plan, formula, baseName(plan, base));
    return card.toString();
  }

  private static String baseName(MergePlan plan, Optional<BaseCard> base) {
    return base.map(BaseCard::name).orElse(plan.getBaseModel());
  }

  private static void metadata(StringBuilder card, MergePlan plan, Optional<BaseCard> base) {
    card.append("---\nbase_model:\n- ").append(quoted(baseName(plan, base))).append('\n');
    for (PlannedModel model : plan.getModels()) {
      card.append("- ").append(quoted(model.getModel())).append('\n');
    }
    base.flatMap(BaseCard::library)
        .ifPresent(library -> card.append("library_name: ").append(quoted(library)).append('\n'));
    base.map(BaseCard::license)
        .orElse(Map.of())
        .forEach((key, value) -> card.append(key).append(": ").append(quoted(value)).append('\n'));
    card.append("tags:\n- merge\n- fisher-merging\n- fisher-streams\n---\n");
  }

  /** JSON is YAML, and its quotes hold whatever a name has. */
  private static String quoted(Object value) {
    try {
      return JSON.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The merge as a merge.yaml, with names in place of paths. */
  private static void yaml(
      StringBuilder card, MergePlan plan, MergeFormula formula, String baseName) {
    card.append(
        "\nThe merge as a `merge.yaml`; put your paths in place of the names:\n\n```yaml\n");
    card.append("base: ").append(quoted(baseName)).append("\nmodels:\n");
    for (PlannedModel model : plan.getModels()) {
      card.append("  - name: ").append(quoted(model.getModel())).append('\n');
      card.append("    checkpoint: ").append(quoted(model.getModel())).append('\n');
      if (formula.readsFishers()) {
        String fisher = model.getModel() + ".fisher.safetensors";
        card.append("    fisher: ").append(quoted(fisher)).append('\n');
      }
      card.append("    coefficient: ").append(model.getCoefficient()).append('\n');
      Map<String, Double> ofGroups = PlannedModels.given(plan, model).ofGroups();
      if (!ofGroups.isEmpty()) {
        card.append("    group_coefficients: ").append(quoted(ofGroups)).append('\n');
      }
    }
    card.append("method:\n");
    MergeMethods.keys(formula)
        .forEach(
            (key, value) -> card.append("  ").append(key).append(": ").append(value).append('\n'));
    if (!plan.getMethod().getGroups().isEmpty()) {
      card.append("  groups:\n");
      for (ParameterGroup group : plan.getMethod().getGroups()) {
        card.append("    ")
            .append(quoted(group.getName()))
            .append(": ")
            .append(quoted(group.getPattern()))
            .append('\n');
      }
    }
    List<String> excluded = plan.getMethod().getExcludeParamNamesRegex();
    card.append("  unchanged_parameters: ")
        .append(MergeMethods.unchanged(plan.getMethod().getUnchangedParameters()))
        .append('\n');
    if (!excluded.isEmpty()) {
      card.append("  exclude_param_names_regex: ").append(quoted(excluded)).append('\n');
    }
    card.append("```\n");
  }

  private static void settings(StringBuilder card, MergeFormula formula, MergePlan plan) {
    line(card, "Scale s", Double.toString(formula.scale()));
    if (formula instanceof FisherAverage average) {
      line(card, "Exponent γ", Double.toString(average.exponent()));
      line(
          card,
          average.unit() == Unit.MEAN ? "Relative Fisher weight r" : "Minimal Fisher weight ε",
          Double.toString(average.constant()));
      line(
          card,
          "Fisher weights normalised",
          switch (average.unit()) {
            case ONE -> "no, c = λ";
            case NORM -> "yes, c = λ / (N + ε)" + (average.exponent() == 1 ? "" : "^γ");
            case MEAN -> "by their mean μ, c = λ";
          });
    } else if (formula instanceof GradientMatching matching) {
      line(card, "Prior δ", Double.toString(matching.prior()));
    }
    if (formula.readsFishers()) {
      line(
          card,
          "Part of the weights that is " + formula.constantName() + " and not Fisher",
          EpsilonShares.percent(PlannedModels.epsilonShare(plan)));
    }
  }

  private static void models(StringBuilder card, MergePlan plan, boolean withFishers) {
    card.append("\n| model | version | λ | share of the weights |");
    card.append(withFishers ? " Fisher epoch | Fisher norm N | of the share: not Fisher |" : "");
    card.append("\n|---|---|---|---|").append(withFishers ? "---|---|---|" : "").append('\n');
    for (PlannedModel model : plan.getModels()) {
      card.append(
          String.format(
              Locale.ROOT,
              "| %s | %d | %s | %s |",
              model.getModel(),
              model.getVersion(),
              PlannedModels.given(plan, model).text(),
              EpsilonShares.percent(model.getShare())));
      if (withFishers) {
        card.append(
            String.format(
                Locale.ROOT,
                " %d | %.6g | %s |",
                model.getEpoch(),
                model.getFisherNorm(),
                EpsilonShares.percent(model.getEpsilonShare())));
      }
      card.append('\n');
    }
  }

  private static void line(StringBuilder card, String name, String value) {
    card.append("- ").append(name).append(": ").append(value).append('\n');
  }
}
