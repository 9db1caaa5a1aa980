package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.NamePatterns;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/**
 * What a manifest may say. The coordinator checks it, and whoever writes a manifest checks it
 * first: files, options and manifests have the same rules and messages, each under its own names.
 */
public final class ManifestRules {
  /** Examples of a Fisher that is estimated, unless the user says otherwise. */
  public static final int DEFAULT_EXAMPLES = 256;

  /**
   * Examples that go through a model together, unless the user says otherwise: enough rows for
   * full-speed products of 50 to 64 tokens.
   */
  public static final int DEFAULT_BATCH_SIZE = 8;

  /**
   * Tokens of a vocabulary that the exact estimator accepts, unless the user says otherwise: each
   * is a backward pass for each target of an example.
   */
  public static final int DEFAULT_EXACT_VOCABULARY = 256;

  /** ε, added to every entry of every Fisher, unless the user says otherwise. */
  public static final double DEFAULT_MINIMAL_FISHER_WEIGHT = 1e-6;

  private static final int SHOWN = 40;
  private static final Pattern COMPANION =
      Pattern.compile("(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,199}/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,199}");

  /**
   * How far a version may be ahead of the clock, in milliseconds since 1970. Versions only grow, so
   * a version near the largest number would be the model's last one for ever.
   */
  public static final Duration MAX_VERSION_AHEAD = Duration.ofDays(1);

  private ManifestRules() {}

  /** Rejects a manifest that breaks a rule with {@link InvalidInput}, under the fields' names. */
  public static void check(ModelManifest manifest) {
    check(manifest, UnaryOperator.identity());
  }

  /**
   * Rejects a manifest that breaks a rule with {@link InvalidInput}.
   *
   * @param names what the user calls a field of {@link ModelManifest} or {@link MergeMethod}
   */
  public static void check(ModelManifest manifest, UnaryOperator<String> names) {
    new ModelName(manifest.getModel());
    boolean isBase = manifest.getRole() == Role.BASE;
    if (isBase != (manifest.getMethod() != null)) {
      throw new InvalidInput("a BASE manifest, and no other, carries the pool's method");
    }
    requireTensors(manifest);
    if (isBase) {
      MergeMethod method = manifest.getMethod();
      MergeMethods.formula(method, names);
      requirePatterns(
          method.getExcludeParamNamesRegex(),
          manifest.getParameters().stream().map(Parameter::getName).toList());
      requireOutputDtype(names.apply("outputDtype"), method.getOutputDtype());
      CoefficientRules.requireGroups(manifest);
    }
    CoefficientRules.requireCoefficients(
        names.apply("coefficient"), MergeMethods.coefficients(manifest));
    requireAtLeast(names.apply("examples"), manifest.getExamples(), 1);
    requireAtLeast(names.apply("refineEvery"), manifest.getRefineEvery(), 0);
    requireDecay(names.apply("decay"), manifest.getDecay());
    requireLength("contentHash", manifest.getContentHash(), Limits.MAX_LABEL_LENGTH);
    if (manifest.getCheckpointSha256() != null) {
      requireLength("checkpointSha256", manifest.getCheckpointSha256(), Limits.MAX_LABEL_LENGTH);
    }
    if (manifest.getConfig() != null) {
      requireLength("config", manifest.getConfig(), Limits.MAX_CONFIG_LENGTH);
    }
    if (manifest.getUnchanged() != null) {
      requireUnchanged(manifest, isBase);
    }
    requireCompanions(manifest.getCompanions(), isBase);
    if (manifest.getEstimation() != null) {
      requireEstimation(manifest.getEstimation(), names);
    }
  }

  private static void requireTensors(ModelManifest manifest) {
    List<Parameter> parameters = manifest.getParameters();
    if (parameters.isEmpty()) {
      throw new InvalidInput("the manifest lists no parameter");
    }
    requireAtMost("tensors of the model", parameters.size(), Limits.MAX_TENSORS);
    Set<String> names = new HashSet<>();
    long elements = 0;
    long bytes = 0;
    for (Parameter parameter : parameters) {
      String name = parameter.getName();
      requireLength("a tensor's name", name, Limits.MAX_TENSOR_NAME_LENGTH);
      requireAtMost("dimensions of " + name, parameter.getShape().size(), Limits.MAX_DIMENSIONS);
      try {
        TensorInfo tensor = ManifestTensors.of(parameter);
        elements += tensor.elements(); // each at most 2^38, see Shard
        bytes += tensor.bytes();
      } catch (RejectedRecord e) {
        throw new InvalidInput(e.getMessage(), e);
      }
      if (!names.add(name)) {
        throw new InvalidInput("parameter " + name + " is listed twice");
      }
    }
    requireAtMost("elements of the model", elements, Limits.MAX_ELEMENTS);
    requireAtMost("bytes of the model", bytes, Limits.MAX_BYTES);
  }

  private static void requireUnchanged(ModelManifest manifest, boolean isBase) {
    if (isBase) {
      throw new InvalidInput("a BASE manifest has unchanged parameters");
    }
    List<String> unchanged = manifest.getUnchanged().getNames();
    requireAtMost("unchanged parameters of the model", unchanged.size(), Limits.MAX_TENSORS);
    Set<String> names = new HashSet<>();
    manifest.getParameters().forEach(parameter -> names.add(parameter.getName()));
    for (String name : unchanged) {
      requireLength("an unchanged parameter's name", name, Limits.MAX_TENSOR_NAME_LENGTH);
      if (!names.add(name)) {
        throw new InvalidInput("the unchanged parameter " + name + " is listed twice");
      }
    }
  }

  private static void requireCompanions(List<CompanionFile> companions, boolean isBase) {
    if (!companions.isEmpty() && !isBase) {
      throw new InvalidInput("only a BASE manifest has companions");
    }
    requireAtMost("companions", companions.size(), Limits.MAX_COMPANIONS);
    Set<String> names = new HashSet<>();
    long bytes = 0;
    for (CompanionFile companion : companions) {
      if (!isCompanionName(companion.getName()) || !names.add(companion.getName())) {
        throw new InvalidInput(
            "a companion is named '%s', expected a file name once, or folder/file"
                .formatted(companion.getName()));
      }
      bytes += companion.getGzip().remaining();
    }
    requireAtMost("bytes of the companions", bytes, Limits.MAX_COMPANION_BYTES);
  }

  /**
   * Whether a file of a base may have this path in an exported folder: it stays in the folder, is
   * not hidden, and is no Python code.
   */
  public static boolean isCompanionName(String name) {
    return COMPANION.matcher(name).matches() && !name.endsWith(".py");
  }

  private static void requireEstimation(Estimation estimation, UnaryOperator<String> names) {
    requireLength("estimator", estimation.getEstimator(), Limits.MAX_LABEL_LENGTH);
    requireAtMost(names.apply("samples"), estimation.getSamples(), Limits.MAX_SAMPLES);
    requireAtMost(names.apply("batchSize"), estimation.getBatchSize(), Limits.MAX_BATCH_SIZE);
    requireExactVocabulary(names.apply("exactVocabulary"), estimation.getExactVocabulary());
    requireAtMost("frozen tensors", estimation.getFrozen().size(), Limits.MAX_TENSORS);
    for (String frozen : estimation.getFrozen()) {
      requireLength("a frozen tensor's name", frozen, Limits.MAX_TENSOR_NAME_LENGTH);
    }
  }

  /** Rejects a limit of the vocabulary that is out of range with {@link InvalidInput}. */
  public static void requireExactVocabulary(String name, int tokens) {
    requireAtLeast(name, tokens, 1);
    requireAtMost(name, tokens, Limits.MAX_EXACT_VOCABULARY);
  }

  /** Rejects a number above {@code max} with {@link InvalidInput}. */
  static void requireAtMost(String name, long value, long max) {
    if (value > max) {
      throw new LimitExceeded(
          String.format(Locale.ROOT, "%s: %d, at most %d are accepted", name, value, max));
    }
  }

  static void requireLength(String name, String text, int max) {
    if (text.length() > max) {
      throw new LimitExceeded(
          String.format(
              Locale.ROOT,
              "%s has %d characters, at most %d are accepted: '%s…'",
              name,
              text.length(),
              max,
              text.substring(0, SHOWN)));
    }
  }

  /**
   * Rejects a version that is further ahead of the clock than {@link #MAX_VERSION_AHEAD} with
   * {@link InvalidInput}.
   *
   * @param now milliseconds since 1970
   */
  public static void requireVersion(String name, long version, long now) {
    long max = now + MAX_VERSION_AHEAD.toMillis();
    if (version > max) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s is %d, expected at most %d (the time in milliseconds since 1970, plus one day)",
              name,
              version,
              max));
    }
  }

  /**
   * The smallest and the largest coefficient and ε other than 0. Between them, no product with a
   * float32 parameter or Fisher entry leaves float64, and none becomes 0.
   */
  static final double MIN_WEIGHT = 1e-30;

  static final double MAX_WEIGHT = 1e30;

  /**
   * Rejects a coefficient or ε that is NaN or negative, or neither 0 nor from 1e-30 to 1e30, with
   * {@link InvalidInput}.
   */
  public static void requireWeight(String name, double value) {
    // written so that NaN fails it too
    if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
      throw new InvalidInput(
          "%s is %s, expected a finite number of at least 0".formatted(name, value));
    }
    if (value != 0 && (value < MIN_WEIGHT || value > MAX_WEIGHT)) {
      throw new InvalidInput(
          "%s is %s, expected 0 or a number from 1e-30 to 1e30".formatted(name, value));
    }
  }

  /** Rejects a count below {@code min} with {@link InvalidInput}. */
  public static void requireAtLeast(String name, long value, long min) {
    if (value < min) {
      throw new InvalidInput(
          String.format(Locale.ROOT, "%s is %d, expected at least %d", name, value, min));
    }
  }

  private static void requireDecay(String name, double value) {
    if (!(value > 0 && value <= 1)) {
      throw new InvalidInput("%s is %s, expected above 0 and at most 1".formatted(name, value));
    }
  }

  /**
   * Rejects, with {@link InvalidInput}, exclusion patterns that cannot be used, or whose matching
   * with a base would take minutes.
   *
   * @param tensors names of the base's tensors; empty while they are not known
   */
  public static void requirePatterns(List<String> patterns, Collection<String> tensors) {
    requireAtMost("exclusion patterns", patterns.size(), Limits.MAX_PATTERNS);
    for (String pattern : patterns) {
      requireLength("an exclusion pattern", pattern, Limits.MAX_PATTERN_LENGTH);
    }
    requireAtMost(
        "characters of exclusion patterns",
        patterns.stream().mapToInt(String::length).sum(),
        Limits.MAX_PATTERNS_LENGTH);
    if (NamePatterns.of(patterns).work(tensors) > Limits.MAX_PATTERN_WORK) {
      throw new LimitExceeded(
          String.format(
              Locale.ROOT,
              "the exclusion patterns are too large to match %d names; use fewer and shorter ones",
              tensors.size()));
    }
  }

  /** Rejects a type that is neither floating nor null with {@link InvalidInput}. */
  public static void requireOutputDtype(String name, String dtype) {
    if (dtype != null && DType.of(dtype).filter(DType::mergeable).isEmpty()) {
      throw new InvalidInput("%s is %s, expected a floating type or null".formatted(name, dtype));
    }
  }

  /**
   * Whether two manifests of a model have the same content and may share a version: all but role,
   * version, coefficient, method and the hash of the checkpoint's files are equal.
   */
  public static boolean isSameContent(ModelManifest a, ModelManifest b) {
    return a.getContentHash().equals(b.getContentHash())
        && a.getParameters().equals(b.getParameters())
        && Objects.equals(a.getUnchanged(), b.getUnchanged())
        && a.getExamples() == b.getExamples()
        && a.getRefineEvery() == b.getRefineEvery()
        && a.getDecay() == b.getDecay()
        && Objects.equals(a.getConfig(), b.getConfig())
        && Objects.equals(a.getEstimation(), b.getEstimation());
  }
}
