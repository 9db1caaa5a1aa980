package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.config.MergeFile.Method;
import io.fisherstreams.config.MergeFile.Model;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.EstimatorName;
import io.fisherstreams.record.ModelName;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.Supplier;

/** Reads a {@link MergeFile} from its YAML. */
final class MergeFileReader {
  private static final Set<String> KEYS = Set.of("base", "models", "method");

  private static final Set<String> MODEL_KEYS =
      Set.of(
          "name", "checkpoint", "fisher", "examples", "coefficient", "head", "evaluation_examples");

  private static final Set<String> METHOD_KEYS =
      Set.of(
          "exclude_param_names_regex",
          "normalize_fisher_weight",
          "minimal_fisher_weight",
          "num_fisher_examples",
          "estimator",
          "samples",
          "seed",
          "batch_size");

  private MergeFileReader() {}

  static MergeFile read(Path file) {
    StrictYaml yaml = StrictYaml.read(file, KEYS);
    Path base = yaml.path("base");
    List<Model> models =
        yaml.mappings("models", MODEL_KEYS).stream().map(MergeFileReader::model).toList();
    Method method =
        yaml.mapping("method", METHOD_KEYS).map(MergeFileReader::method).orElse(Method.DEFAULT);
    return checked(yaml, "models", () -> new MergeFile(file, base, models, method));
  }

  private static Model model(StrictYaml yaml) {
    String name = yaml.text("name");
    checked(yaml, "name", () -> new ModelName(name));
    Path checkpoint = yaml.path("checkpoint");
    Optional<Path> fisher = yaml.optionalPath("fisher");
    Optional<Path> examples = yaml.optionalPath("examples");
    OptionalDouble coefficient =
        yaml.has("coefficient")
            ? OptionalDouble.of(yaml.number("coefficient", 0, 0))
            : OptionalDouble.empty();
    Optional<Path> head = yaml.optionalPath("head");
    Optional<Path> evaluation = yaml.optionalPath("evaluation_examples");
    return checked(
        yaml,
        "fisher",
        () -> new Model(name, checkpoint, fisher, examples, coefficient, head, evaluation));
  }

  private static Method method(StrictYaml yaml) {
    Method standard = Method.DEFAULT;
    List<String> patterns = yaml.texts("exclude_param_names_regex");
    checked(yaml, "exclude_param_names_regex", () -> MergeSet.of(List.of(), patterns));
    Optional<String> estimator =
        yaml.has("estimator") ? Optional.of(yaml.text("estimator")) : Optional.empty();
    return new Method(
        patterns,
        yaml.flag("normalize_fisher_weight", standard.normalizeFisherWeight()),
        yaml.number("minimal_fisher_weight", standard.minimalFisherWeight(), 0),
        yaml.whole("num_fisher_examples", standard.numFisherExamples(), 1),
        estimator.map(name -> checked(yaml, "estimator", () -> EstimatorName.of(name))),
        yaml.whole("samples", standard.samples(), 1),
        yaml.whole("seed", standard.seed(), Long.MIN_VALUE),
        yaml.whole("batch_size", standard.batchSize(), 1));
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
