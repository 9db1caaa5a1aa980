package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.InputFiles;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.EstimatorName;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ModelName;
import io.fisherstreams.record.UnchangedWeight;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A {@code merge.yaml}: the base model, the fine-tuned models and how they are merged. Paths in the
 * file are relative to it; here they are resolved. This class does not check whether the files
 * exist and fit each other.
 *
 * @param file the YAML file
 * @param base the base model: a safetensors file or a Hugging Face folder
 * @param models the fine-tuned models in the file's order, at least one
 * @param method how they are merged
 * @param compare further methods, which {@code evaluate} compares with it
 * @param compute where models run on examples; empty when the file does not say
 */
public record MergeFile(
    Path file,
    Path base,
    List<Model> models,
    Method method,
    List<Compared> compare,
    Optional<ComputeSettings> compute) {
  /** Rejects, with {@link InvalidInput}, models that cannot make a pool. */
  public MergeFile {
    models = List.copyOf(models);
    compare = List.copyOf(compare);
    Set<String> labels = new HashSet<>();
    for (Compared compared : compare) {
      if (!labels.add(compared.label)) {
        throw new InvalidInput("compare has '%s' twice".formatted(compared.label));
      }
    }
    List<MergeFormula> formulas = formulas(method, compare);
    if (models.isEmpty()) {
      throw new InvalidInput("models is empty: a merge needs at least one model");
    }
    Set<String> names = new HashSet<>();
    for (Model model : models) {
      if (!names.add(model.name)) {
        throw new InvalidInput("two models are named '%s'".formatted(model.name));
      }
    }
    for (Model model : models) {
      boolean hasSource = model.fisher.isPresent() || model.examples.isPresent();
      if (!hasSource && formulas.stream().anyMatch(MergeFormula::readsFishers)) {
        throw new InvalidInput(
            "model '%s' has neither fisher nor examples: add one of them".formatted(model.name));
      }
      for (MergeFormula formula : formulas) {
        CoefficientRules.requireCoefficients(
            "coefficient of model '" + model.name + "'",
            model.coefficients,
            formula,
            method.groups);
      }
    }
    if (models.stream()
        .flatMap(model -> model.coefficients.orElse(1).given().stream())
        .allMatch(lambda -> lambda == 0)) {
      throw new InvalidInput("the coefficients of all models are 0: at least one must be above 0");
    }
  }

  /**
   * A fine-tuned model.
   *
   * @param name a {@link ModelName}
   * @param checkpoint a safetensors file or a Hugging Face folder
   * @param fisher its diagonal Fisher, a safetensors file; absent when it is to be estimated, or
   *     the method reads none
   * @param examples labelled examples that the Fisher is estimated from; absent when it is given,
   *     or the method reads none
   * @param coefficients λ, below 0 only for a method that accepts it
   * @param head a file with tensors beyond the checkpoint's that turn its output into logits
   * @param evaluationExamples labelled examples of the task that the model was fine-tuned for,
   *     which {@code evaluate} measures with
   * @param maxLength tokens after which the texts of both kinds of examples are cut; empty for none
   */
  public record Model(
      String name,
      Path checkpoint,
      Optional<Path> fisher,
      Optional<Path> examples,
      Coefficients coefficients,
      Optional<Path> head,
      Optional<Path> evaluationExamples,
      OptionalInt maxLength) {
    /** Rejects, with {@link InvalidInput}, values out of range. */
    public Model {
      new ModelName(name);
      if (fisher.isPresent() && examples.isPresent()) {
        throw new InvalidInput(
            "model '%s' has both fisher and examples: remove one of them".formatted(name));
      }
      CoefficientRules.requireCoefficients("coefficient", coefficients);
      if (maxLength.isPresent()) {
        ManifestRules.requireAtLeast("max_length", maxLength.getAsInt(), 1);
      }
    }
  }

  private static List<MergeFormula> formulas(Method method, List<Compared> compare) {
    return Stream.concat(Stream.of(method.formula), compare.stream().map(Compared::formula))
        .toList();
  }

  /**
   * A method of {@code compare}.
   *
   * @param label its name and settings as the file gives them
   */
  public record Compared(String label, MergeFormula formula) {}

  /**
   * How the models are merged, and how missing Fishers are estimated.
   *
   * @param excludeParamNamesRegex patterns of {@link MergeSet}; matching parameters keep the base's
   *     value
   * @param formula the merge method with its settings
   * @param numFisherExamples how many examples a Fisher is estimated from
   * @param estimator of the diagonal Fisher; empty for the default of the model's kind
   * @param samples labels drawn per example, if the estimator draws labels
   * @param seed of those draws
   * @param batchSize examples that go through the model together
   * @param unchangedParameters the weight of what a model leaves as the base has it
   * @param exactVocabulary the exact estimator rejects a language model with more tokens
   * @param groups of parameters, in which a model may have a λ of its own
   */
  public record Method(
      List<String> excludeParamNamesRegex,
      MergeFormula formula,
      int numFisherExamples,
      Optional<EstimatorName> estimator,
      int samples,
      long seed,
      int batchSize,
      UnchangedWeight unchangedParameters,
      int exactVocabulary,
      ParameterGroups groups) {
    /** The values of keys that a {@code merge.yaml} leaves out. */
    public static final Method DEFAULT =
        new Method(
            List.of(),
            FisherAverage.of(ManifestRules.DEFAULT_MINIMAL_FISHER_WEIGHT, true),
            ManifestRules.DEFAULT_EXAMPLES,
            Optional.empty(),
            1,
            0,
            ManifestRules.DEFAULT_BATCH_SIZE,
            UnchangedWeight.NO_SAY,
            ManifestRules.DEFAULT_EXACT_VOCABULARY,
            ParameterGroups.NONE);

    /** A method that estimates no Fisher. */
    public static Method merging(
        MergeFormula formula,
        List<String> excludeParamNamesRegex,
        UnchangedWeight unchangedParameters,
        ParameterGroups groups) {
      return new Method(
          excludeParamNamesRegex,
          formula,
          DEFAULT.numFisherExamples,
          DEFAULT.estimator,
          DEFAULT.samples,
          DEFAULT.seed,
          DEFAULT.batchSize,
          unchangedParameters,
          DEFAULT.exactVocabulary,
          groups);
    }

    /** The same with other groups. */
    public Method with(ParameterGroups others) {
      return new Method(
          excludeParamNamesRegex,
          formula,
          numFisherExamples,
          estimator,
          samples,
          seed,
          batchSize,
          unchangedParameters,
          exactVocabulary,
          others);
    }

    /** Rejects, with {@link InvalidInput}, values out of range and unreadable patterns. */
    public Method {
      excludeParamNamesRegex = List.copyOf(excludeParamNamesRegex);
      ManifestRules.requirePatterns(excludeParamNamesRegex, List.of());
      ManifestRules.requireAtLeast("num_fisher_examples", numFisherExamples, 1);
      ManifestRules.requireAtLeast("samples", samples, 1);
      ManifestRules.requireAtLeast("batch_size", batchSize, 1);
      ManifestRules.requireExactVocabulary("exact_vocabulary", exactVocabulary);
    }
  }

  /**
   * Reads and checks a {@code merge.yaml}.
   *
   * @throws InvalidInput naming file, line and key, when the file is not as described
   */
  public static MergeFile read(Path file) {
    return MergeFileReader.read(file);
  }

  /**
   * Rejects, with {@link InvalidInput}, an output that would replace one of this merge's inputs.
   *
   * @param option the option that names the output, for the message
   */
  public void requireOther(String option, Path output) {
    List<Path> inputs = new ArrayList<>(List.of(file, base));
    for (Model model : models) {
      inputs.add(model.checkpoint);
      Stream.of(model.fisher, model.examples, model.head, model.evaluationExamples)
          .flatMap(Optional::stream)
          .forEach(inputs::add);
    }
    InputFiles.requireOther(option, output, inputs);
  }

  private boolean readsFishers() {
    return formulas(method, compare).stream().anyMatch(MergeFormula::readsFishers);
  }

  /** Whether the merge estimates the Fisher of a model from its examples. */
  public boolean estimates(Model model) {
    return readsFishers() && model.examples.isPresent();
  }

  /** The Fisher file of a model that the merge reads. */
  public Optional<Path> fisher(Model model) {
    return readsFishers() ? model.fisher : Optional.empty();
  }

  /** λ of a model of this file, the method's default filled in. */
  public Coefficients coefficients(Model model) {
    return model.coefficients.orElse(method.formula.defaultCoefficient(models.size()));
  }

  /** The same merge with groups of parameters. */
  public MergeFile with(ParameterGroups groups) {
    return new MergeFile(file, base, models, method.with(groups), compare, compute);
  }
}
