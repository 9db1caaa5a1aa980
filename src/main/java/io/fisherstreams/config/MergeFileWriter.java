package io.fisherstreams.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.config.MergeFile.Compared;
import io.fisherstreams.config.MergeFile.Method;
import io.fisherstreams.config.MergeFile.Model;
import io.fisherstreams.files.WholeFile;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.record.MergeMethods;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Writes a merge as a {@code merge.yaml} that {@link MergeFile#read} reads again. */
public final class MergeFileWriter {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Texts that mean the same without quotes. */
  private static final Pattern PLAIN =
      Pattern.compile("(?!null\\b|Null\\b|NULL\\b)[A-Za-z0-9._/][-A-Za-z0-9._/]*");

  private final StringBuilder yaml = new StringBuilder();
  private final Path folder;

  private MergeFileWriter(Path folder) {
    this.folder = folder;
  }

  /**
   * Writes a merge with another method and other coefficients. Paths in the file's folder are
   * relative, all others absolute.
   *
   * @param comment one line, for readers
   * @param coefficients of every model
   */
  public static void write(
      MergeFile merge,
      MergeFormula formula,
      Map<String, Coefficients> coefficients,
      String comment,
      Path file) {
    MergeFileWriter writer = new MergeFileWriter(file.toAbsolutePath().normalize().getParent());
    writer.yaml.append("# ").append(comment).append('\n');
    writer.models(merge, coefficients);
    writer.method(merge.method(), formula);
    writer.compare(merge);
    writer.compute(merge);
    WholeFile.write(file, writer.yaml.toString());
  }

  private void models(MergeFile merge, Map<String, Coefficients> coefficients) {
    line("", "base", path(merge.base()));
    yaml.append("models:\n");
    for (Model model : merge.models()) {
      line("  - ", "name", text(model.name()));
      line("    ", "checkpoint", path(model.checkpoint()));
      optional("fisher", model.fisher());
      optional("examples", model.examples());
      coefficients(coefficients.get(model.name()));
      optional("head", model.head());
      optional("evaluation_examples", model.evaluationExamples());
      model.maxLength().ifPresent(n -> line("    ", "max_length", Integer.toString(n)));
    }
  }

  private void coefficients(Coefficients coefficients) {
    coefficients.own().ifPresent(own -> line("    ", "coefficient", Double.toString(own)));
    if (!coefficients.ofGroups().isEmpty()) {
      line("    ", "group_coefficients", mapping(coefficients.ofGroups()));
    }
  }

  private static String mapping(Map<String, ?> entries) {
    return entries.entrySet().stream()
        .map(
            entry ->
                quoted(entry.getKey())
                    + ": "
                    + (entry.getValue() instanceof String text ? quoted(text) : entry.getValue()))
        .collect(Collectors.joining(", ", "{", "}"));
  }

  private void method(Method method, MergeFormula formula) {
    Method standard = Method.DEFAULT;
    yaml.append("method:\n");
    MergeMethods.keys(formula).forEach((key, value) -> line("  ", key, value));
    if (!method.excludeParamNamesRegex().isEmpty()) {
      line("  ", "exclude_param_names_regex", quoted(method.excludeParamNamesRegex()));
    }
    if (!method.groups().isEmpty()) {
      yaml.append("  groups:\n");
      method
          .groups()
          .all()
          .forEach(group -> line("    ", quoted(group.name()), quoted(group.pattern())));
    }
    unless("num_fisher_examples", method.numFisherExamples(), standard.numFisherExamples());
    method.estimator().ifPresent(name -> line("  ", "estimator", name.text()));
    unless("samples", method.samples(), standard.samples());
    unless("seed", method.seed(), standard.seed());
    unless("batch_size", method.batchSize(), standard.batchSize());
    unless("exact_vocabulary", method.exactVocabulary(), standard.exactVocabulary());
    if (method.unchangedParameters() != standard.unchangedParameters()) {
      line("  ", "unchanged_parameters", MergeMethods.unchanged(method.unchangedParameters()));
    }
  }

  private void compare(MergeFile merge) {
    if (merge.compare().isEmpty()) {
      return;
    }
    yaml.append("compare:\n");
    for (Compared compared : merge.compare()) {
      yaml.append("  - {")
          .append(
              MergeMethods.keys(compared.formula()).entrySet().stream()
                  .map(entry -> entry.getKey() + ": " + entry.getValue())
                  .collect(Collectors.joining(", ")))
          .append("}\n");
    }
  }

  private void compute(MergeFile merge) {
    merge
        .compute()
        .ifPresent(
            settings -> {
              line("", ComputeKeys.DEVICE, quoted(settings.device().toString()));
              line("", ComputeKeys.DTYPE, settings.precision().text());
            });
  }

  private void unless(String key, long value, long standard) {
    if (value != standard) {
      line("  ", key, Long.toString(value));
    }
  }

  private void optional(String key, Optional<Path> file) {
    file.ifPresent(path -> line("    ", key, path(path)));
  }

  private void line(String indent, String key, String value) {
    yaml.append(indent).append(key).append(": ").append(value).append('\n');
  }

  private String path(Path path) {
    Path whole = path.toAbsolutePath().normalize();
    return text((whole.startsWith(folder) ? folder.relativize(whole) : whole).toString());
  }

  private static String text(String text) {
    return PLAIN.matcher(text).matches() ? text : quoted(text);
  }

  /** JSON is YAML, and its quotes hold whatever a text has. */
  private static String quoted(Object value) {
    try {
      return JSON.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
