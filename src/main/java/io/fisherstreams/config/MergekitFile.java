package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.record.UnchangedWeight;
import io.fisherstreams.tensor.DType;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;

/**
 * A configuration of mergekit that names a linear merge or task arithmetic. Both are the method
 * {@code task_arithmetic} here: a linear merge is the base plus the differences from it, weighted
 * so that the weights sum to 1, whatever the base is.
 *
 * @param merge the merge that it is
 * @param dtype the type of the output; empty for the base's
 */
public record MergekitFile(MergeFile merge, Optional<DType> dtype) {
  private static final Set<String> KEYS =
      Set.of("merge_method", "models", "base_model", "parameters", "dtype", "out_dtype");

  private static final Set<String> MODEL_KEYS = Set.of("model", "parameters");
  private static final Set<String> WEIGHT = Set.of("weight");

  private static final Map<String, DType> TYPES =
      Map.of("float32", DType.F32, "float16", DType.F16, "bfloat16", DType.BF16);

  /** Weights sum to 1 within the rounding of decimal fractions. */
  private static final double ROUNDING = 1e-9;

  /** A model with its weight. */
  private record Weighted(Path checkpoint, double weight) {}

  /**
   * Reads a configuration. Its paths are relative to the working directory, as for mergekit.
   *
   * @throws InvalidInput naming file, line and key, for all that is not read
   */
  public static MergekitFile read(Path file) {
    StrictYaml yaml = StrictYaml.read(file, KEYS);
    boolean isLinear =
        switch (yaml.text("merge_method")) {
          case "linear" -> true;
          case "task_arithmetic" -> false;
          default ->
              throw yaml.invalid(
                  "merge_method",
                  "is '%s'; linear and task_arithmetic are read"
                      .formatted(yaml.text("merge_method")));
        };
    Optional<StrictYaml> parameters =
        yaml.mapping(
            "parameters",
            isLinear ? Set.of("weight", "normalize") : Set.of("weight", "normalize", "lambda"));
    Optional<Path> base =
        yaml.has("base_model") ? Optional.of(checkpoint(yaml, "base_model")) : Optional.empty();
    if (!isLinear && base.isEmpty()) {
      throw yaml.invalid("base_model", "the key is missing: task_arithmetic needs it");
    }
    OptionalDouble common =
        parameters.filter(all -> all.has("weight")).isPresent()
            ? OptionalDouble.of(number(parameters.get(), "weight"))
            : OptionalDouble.empty();
    List<Weighted> models = new ArrayList<>();
    for (StrictYaml model : yaml.mappings("models", MODEL_KEYS)) {
      Path checkpoint = checkpoint(model, "model");
      // The base among the models has no difference from itself.
      if (isLinear || !checkpoint.equals(base.orElseThrow())) {
        models.add(new Weighted(checkpoint, weight(model, common)));
      }
    }
    if (models.isEmpty()) {
      throw yaml.invalid("models", "there is no model to merge");
    }
    boolean normalizes = parameters.map(all -> all.flag("normalize", isLinear)).orElse(isLinear);
    double scale = parameters.map(all -> all.number("lambda", 1, 0)).orElse(1.0);
    MergeFile merge =
        new MergeFile(
            file,
            base.orElse(models.get(0).checkpoint),
            named(coefficients(yaml, models, normalizes, isLinear)),
            MergeFile.Method.merging(
                new TaskArithmetic(scale), List.of(), UnchangedWeight.NO_SAY, ParameterGroups.NONE),
            List.of(),
            Optional.empty());
    return new MergekitFile(merge, dtype(yaml));
  }

  private static double number(StrictYaml yaml, String key) {
    return yaml.number(key, 0, -Double.MAX_VALUE);
  }

  private static double weight(StrictYaml model, OptionalDouble common) {
    return model
        .mapping("parameters", WEIGHT)
        .filter(own -> own.has("weight"))
        .map(own -> number(own, "weight"))
        .orElseGet(
            () ->
                common.orElseThrow(
                    () -> model.invalid("parameters", "the model has no parameters.weight")));
  }

  private static List<Weighted> coefficients(
      StrictYaml yaml, List<Weighted> models, boolean normalizes, boolean isLinear) {
    double sum = models.stream().mapToDouble(Weighted::weight).sum();
    if (!normalizes) {
      if (isLinear && Math.abs(sum - 1) > ROUNDING) {
        throw yaml.invalid(
            "parameters",
            "normalize is false and the weights sum to %s; a linear merge is read if they sum to 1"
                .formatted(Double.toString(sum)));
      }
      return models;
    }
    if (sum == 0) {
      throw yaml.invalid("models", "the weights sum to 0, so they cannot be normalised");
    }
    return models.stream()
        .map(model -> new Weighted(model.checkpoint, model.weight / sum))
        .toList();
  }

  /** Names each model after its folder or file. */
  private static List<MergeFile.Model> named(List<Weighted> models) {
    Set<String> taken = new HashSet<>();
    List<MergeFile.Model> named = new ArrayList<>();
    for (Weighted model : models) {
      String stem =
          model
              .checkpoint
              .getFileName()
              .toString()
              .replaceFirst("\\.safetensors$", "")
              .replaceAll("[^A-Za-z0-9._-]", "-")
              .replaceFirst("^[^A-Za-z0-9]+", "");
      String name = stem.isEmpty() ? "model" : stem;
      for (int i = 2; !taken.add(name); i++) {
        name = stem + "-" + i;
      }
      named.add(
          new MergeFile.Model(
              name,
              model.checkpoint,
              Optional.empty(),
              Optional.empty(),
              Coefficients.of(model.weight),
              Optional.empty(),
              Optional.empty(),
              OptionalInt.empty()));
    }
    return named;
  }

  private static Path checkpoint(StrictYaml yaml, String key) {
    String text = yaml.text(key);
    try {
      Path path = Path.of(text).toAbsolutePath().normalize();
      if (!text.isBlank() && Files.exists(path)) {
        return path;
      }
    } catch (InvalidPathException e) {
      // told below like a file that does not exist
    }
    throw yaml.invalid(
        key,
        "there is no '%s' in the working directory; a model of a hub must be downloaded first"
            .formatted(text));
  }

  private static Optional<DType> dtype(StrictYaml yaml) {
    String key = yaml.has("out_dtype") ? "out_dtype" : "dtype";
    if (!yaml.has(key)) {
      return Optional.empty();
    }
    DType type = TYPES.get(yaml.text(key));
    if (type == null) {
      throw yaml.invalid(
          key, "is '%s', expected one of bfloat16, float16, float32".formatted(yaml.text(key)));
    }
    return Optional.of(type);
  }
}
