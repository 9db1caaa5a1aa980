package io.fisherstreams.config;

import com.google.common.base.CaseFormat;
import com.google.common.collect.Sets;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.config.MergeFile.Compared;
import io.fisherstreams.config.MergeFile.Method;
import io.fisherstreams.config.MergeFile.Model;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.EstimatorName;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MethodSettings;
import io.fisherstreams.record.ModelName;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Reads a {@link MergeFile} from its YAML. */
final class MergeFileReader {
  private static final Set<String> KEYS =
      Set.of("base", "models", "method", "compare", ComputeKeys.DEVICE, ComputeKeys.DTYPE);

  private static final String GROUP_COEFFICIENTS = "group_coefficients";

  private static final Set<String> MODEL_KEYS =
      Set.of(
          "name",
          "checkpoint",
          "fisher",
          "examples",
          "coefficient",
          GROUP_COEFFICIENTS,
          "head",
          "evaluation_examples",
          "max_length");

  /** FusionBench's name of task arithmetic's scale. */
  private static final String SCALING_FACTOR = "scaling_factor";

  private static final Set<String> FORMULA_KEYS =
      Set.of(
          "name",
          "scale",
          SCALING_FACTOR,
          "fisher_exponent",
          "relative_fisher_weight",
          "prior",
          "normalize_fisher_weight",
          "minimal_fisher_weight");

  private static final Set<String> METHOD_KEYS =
      Sets.union(
          FORMULA_KEYS,
          Set.of(
              "exclude_param_names_regex",
              "num_fisher_examples",
              "estimator",
              "samples",
              "seed",
              "batch_size",
              "unchanged_parameters",
              "exact_vocabulary",
              "groups"));

  private MergeFileReader() {}

  static MergeFile read(Path file) {
    StrictYaml yaml = StrictYaml.read(file, KEYS);
    Path base = yaml.path("base");
    Method method =
        yaml.mapping("method", METHOD_KEYS).map(MergeFileReader::method).orElse(Method.DEFAULT);
    List<Compared> compare =
        yaml.mappingsOrValues("compare", "name", FORMULA_KEYS).stream()
            .map(MergeFileReader::compared)
            .toList();
    List<MergeFormula> formulas =
        Stream.concat(Stream.of(method.formula()), compare.stream().map(Compared::formula))
            .toList();
    List<Model> models =
        yaml.mappings("models", MODEL_KEYS).stream()
            .map(model -> model(model, formulas, method.groups()))
            .toList();
    Optional<ComputeSettings> compute = ComputeKeys.read(yaml);
    return checked(
        yaml, "models", () -> new MergeFile(file, base, models, method, compare, compute));
  }

  private static Model model(StrictYaml yaml, List<MergeFormula> formulas, ParameterGroups groups) {
    String name = yaml.text("name");
    checked(yaml, "name", () -> new ModelName(name));
    Path checkpoint = yaml.path("checkpoint");
    Optional<Path> fisher = yaml.optionalPath("fisher");
    Optional<Path> examples = yaml.optionalPath("examples");
    Coefficients coefficients = coefficients(yaml, formulas);
    checked(
        yaml,
        GROUP_COEFFICIENTS,
        () -> {
          coefficients.requireGroups("the mapping", groups);
          return coefficients;
        });
    Optional<Path> head = yaml.optionalPath("head");
    Optional<Path> evaluation = yaml.optionalPath("evaluation_examples");
    OptionalInt maxLength = yaml.optionalWhole("max_length", 1);
    if (fisher.isEmpty()
        && examples.isEmpty()
        && formulas.stream().anyMatch(MergeFormula::readsFishers)) {
      throw yaml.invalid(
          "fisher", "model '%s' has neither fisher nor examples: add one of them".formatted(name));
    }
    return checked(
        yaml,
        "fisher",
        () ->
            new Model(
                name, checkpoint, fisher, examples, coefficients, head, evaluation, maxLength));
  }

  private static Coefficients coefficients(StrictYaml yaml, List<MergeFormula> formulas) {
    double least =
        formulas.stream().allMatch(MergeFormula::acceptsNegativeCoefficients)
            ? -Double.MAX_VALUE
            : 0;
    SortedMap<String, Double> ofGroups = new TreeMap<>();
    yaml.named(GROUP_COEFFICIENTS)
        .ifPresent(
            named -> named.keys().forEach(name -> ofGroups.put(name, lambda(named, name, least))));
    return new Coefficients(
        yaml.has("coefficient")
            ? OptionalDouble.of(lambda(yaml, "coefficient", least))
            : OptionalDouble.empty(),
        ofGroups);
  }

  private static double lambda(StrictYaml yaml, String key, double least) {
    double value = yaml.number(key, 0, least);
    return checked(
        yaml,
        key,
        () -> {
          CoefficientRules.requireCoefficient("it", value);
          return value;
        });
  }

  private static ParameterGroups groups(StrictYaml yaml) {
    List<ParameterGroups.Group> groups = new ArrayList<>();
    yaml.named("groups")
        .ifPresent(
            named ->
                named
                    .keys()
                    .forEach(
                        name -> groups.add(new ParameterGroups.Group(name, named.text(name)))));
    return checked(yaml, "groups", () -> ParameterGroups.of(groups));
  }

  private static Method method(StrictYaml yaml) {
    Method standard = Method.DEFAULT;
    List<String> patterns = yaml.texts("exclude_param_names_regex");
    checked(yaml, "exclude_param_names_regex", () -> MergeSet.of(List.of(), patterns));
    Optional<String> estimator =
        yaml.has("estimator") ? Optional.of(yaml.text("estimator")) : Optional.empty();
    return new Method(
        patterns,
        formula(yaml),
        yaml.whole("num_fisher_examples", standard.numFisherExamples(), 1),
        estimator.map(name -> checked(yaml, "estimator", () -> EstimatorName.of(name))),
        yaml.whole("samples", standard.samples(), 1),
        yaml.whole("seed", standard.seed(), Long.MIN_VALUE),
        yaml.whole("batch_size", standard.batchSize(), 1),
        yaml.has("unchanged_parameters")
            ? checked(
                yaml,
                "unchanged_parameters",
                () -> MergeMethods.unchanged(yaml.text("unchanged_parameters")))
            : standard.unchangedParameters(),
        exactVocabulary(yaml, standard),
        groups(yaml));
  }

  private static int exactVocabulary(StrictYaml yaml, Method standard) {
    int tokens = yaml.whole("exact_vocabulary", standard.exactVocabulary(), 1);
    return checked(
        yaml,
        "exact_vocabulary",
        () -> {
          ManifestRules.requireExactVocabulary("tokens", tokens);
          return tokens;
        });
  }

  private static Compared compared(StrictYaml yaml) {
    MergeFormula formula = formula(yaml);
    return new Compared(yaml.entries(formula.name(), "name"), formula);
  }

  private static MergeFormula formula(StrictYaml yaml) {
    MethodSettings settings =
        new MethodSettings(
            yaml.has("name") ? yaml.text("name") : null,
            scale(yaml),
            number(yaml, "fisher_exponent"),
            yaml.has("normalize_fisher_weight") ? yaml.flag("normalize_fisher_weight", true) : null,
            number(yaml, "minimal_fisher_weight"),
            number(yaml, "relative_fisher_weight"),
            number(yaml, "prior"));
    return checked(
        yaml,
        "name",
        () ->
            settings.formula(
                CaseFormat.LOWER_CAMEL.converterTo(CaseFormat.LOWER_UNDERSCORE)::convert));
  }

  private static Double scale(StrictYaml yaml) {
    if (!yaml.has(SCALING_FACTOR)) {
      return number(yaml, "scale");
    }
    if (yaml.has("scale")) {
      throw yaml.invalid(SCALING_FACTOR, "means the same as scale: remove one of them");
    }
    if (!yaml.text("name", FisherAverage.NAME).equals(TaskArithmetic.NAME)) {
      throw yaml.invalid(
          SCALING_FACTOR, "is a key of task_arithmetic; write scale for other methods");
    }
    return number(yaml, SCALING_FACTOR);
  }

  private static Double number(StrictYaml yaml, String key) {
    return yaml.has(key) ? (Double) yaml.number(key, 0, 0) : null;
  }

  /** Adds file, line and key to the message of an error that has none of them. */
  private static <T> T checked(StrictYaml yaml, String key, Supplier<T> value) {
    try {
      return value.get();
    } catch (InvalidInput e) {
      throw yaml.invalid(key, e.getMessage());
    }
  }
}
