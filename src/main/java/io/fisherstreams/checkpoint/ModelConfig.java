package io.fisherstreams.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.TextFile;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A model's {@code config.json}, read key by key. A value of the wrong kind is rejected with a
 * message that names file, key and value.
 */
public final class ModelConfig {
  private final String origin;
  private final JsonNode root;

  private ModelConfig(String origin, JsonNode root) {
    this.origin = origin;
    this.root = root;
  }

  /**
   * Parses a config.
   *
   * @param origin the file or topic, for messages
   * @param json its text
   * @throws InvalidInput when it is not a JSON object
   */
  public static ModelConfig parse(String origin, String json) {
    try {
      JsonNode root = new ObjectMapper().readTree(TextFile.withoutMark(json));
      if (!root.isObject()) {
        throw new InvalidInput("%s: expected a JSON object".formatted(origin));
      }
      return new ModelConfig(origin, root);
    } catch (JsonProcessingException e) {
      throw new InvalidInput("%s: not JSON: %s".formatted(origin, JsonFault.reason(e)), e);
    }
  }

  /** The file or topic. */
  public String origin() {
    return origin;
  }

  /** The {@code model_type}, which chooses the architecture. */
  public String modelType() {
    JsonNode type = root.get("model_type");
    if (type == null || !type.isTextual()) {
      throw new InvalidInput("%s: model_type is missing".formatted(origin));
    }
    return type.textValue();
  }

  /** The object under a key, if there is one. */
  public Optional<ModelConfig> section(String key) {
    JsonNode node = root.get(key);
    return node != null && node.isObject()
        ? Optional.of(new ModelConfig(origin + ": " + key, node))
        : Optional.empty();
  }

  /** Whether the key has a value other than null. */
  public boolean has(String key) {
    return root.hasNonNull(key);
  }

  /** The JSON text of a key's value, of limited length, for messages; empty without one. */
  public Optional<String> shown(String key) {
    return has(key) ? Optional.of(StrictJson.shown(root.get(key).toString())) : Optional.empty();
  }

  /** A required positive integer. */
  public int positive(String key) {
    if (!has(key)) {
      throw new InvalidInput("%s: %s is missing".formatted(origin, key));
    }
    return positive(key, 0);
  }

  /** A positive integer, or the architecture's default. */
  public int positive(String key, int byDefault) {
    if (!has(key)) {
      return byDefault;
    }
    JsonNode node = root.get(key);
    if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 1) {
      throw invalid(key, "a positive integer", node);
    }
    return node.intValue();
  }

  /** An integer of at least 0, or the architecture's default. */
  public int index(String key, int byDefault) {
    if (!has(key)) {
      return byDefault;
    }
    JsonNode node = root.get(key);
    if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
      throw invalid(key, "an integer of at least 0", node);
    }
    return node.intValue();
  }

  /** The id of a token, if the key has one; a negative number stands for none. */
  public Optional<Integer> token(String key) {
    JsonNode node = root.get(key);
    return node != null && node.isIntegralNumber() && node.canConvertToInt() && node.intValue() >= 0
        ? Optional.of(node.intValue())
        : Optional.empty();
  }

  /** Whether the key is there, if only with null. */
  public boolean mentions(String key) {
    return root.has(key);
  }

  /** A list of strings; empty when the key is missing. */
  public List<String> texts(String key) {
    if (!has(key)) {
      return List.of();
    }
    JsonNode node = root.get(key);
    List<String> texts = new ArrayList<>();
    for (JsonNode item : node) {
      if (!item.isTextual()) {
        throw invalid(key, "a list of strings", node);
      }
      texts.add(item.textValue());
    }
    if (!node.isArray()) {
      throw invalid(key, "a list of strings", node);
    }
    return texts;
  }

  /** A finite number of at least 0, or the architecture's default. */
  public double number(String key, double byDefault) {
    if (!has(key)) {
      return byDefault;
    }
    JsonNode node = root.get(key);
    if (!node.isNumber() || !Double.isFinite(node.doubleValue()) || node.doubleValue() < 0) {
      throw invalid(key, "a number of at least 0", node);
    }
    return node.doubleValue();
  }

  /** True or false, or a default. */
  public boolean flag(String key, boolean byDefault) {
    if (!has(key)) {
      return byDefault;
    }
    JsonNode node = root.get(key);
    if (!node.isBoolean()) {
      throw invalid(key, "true or false", node);
    }
    return node.booleanValue();
  }

  /** A string, or a default. */
  public String text(String key, String byDefault) {
    if (!has(key)) {
      return byDefault;
    }
    JsonNode node = root.get(key);
    if (!node.isTextual()) {
      throw invalid(key, "a string", node);
    }
    return node.textValue();
  }

  /** A list of positive integers; empty when the key is missing. */
  public int[] positives(String key) {
    if (!has(key)) {
      return new int[0];
    }
    JsonNode node = root.get(key);
    int[] values = new int[node.size()];
    for (int i = 0; i < values.length; i++) {
      JsonNode item = node.get(i);
      if (item == null
          || !item.isIntegralNumber()
          || !item.canConvertToInt()
          || item.intValue() < 1) {
        throw invalid(key, "a list of positive integers", node);
      }
      values[i] = item.intValue();
    }
    if (!node.isArray()) {
      throw invalid(key, "a list of positive integers", node);
    }
    return values;
  }

  /** A list of this many finite numbers; empty when the key is missing. */
  public Optional<double[]> numbers(String key, int length) {
    if (!has(key)) {
      return Optional.empty();
    }
    JsonNode node = root.get(key);
    double[] values = new double[length];
    for (int i = 0; i < length; i++) {
      JsonNode item = node.isArray() && node.size() == length ? node.get(i) : node;
      if (!item.isNumber() || !Double.isFinite(item.doubleValue())) {
        throw invalid(key, String.format(Locale.ROOT, "a list of %d numbers", length), node);
      }
      values[i] = item.doubleValue();
    }
    return Optional.of(values);
  }

  /**
   * Number of classes: the length of {@code id2label}, else {@code num_labels}, else Hugging Face's
   * default 2.
   */
  public int classes() {
    JsonNode labels = root.get("id2label");
    return labels != null && labels.isObject() && !labels.isEmpty()
        ? labels.size()
        : positive("num_labels", 2);
  }

  /** Rejects fewer than two classes: with one class, log p and every gradient are 0. */
  public void requireClasses(long classes, String where) {
    if (classes < 2) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: expected at least two classes, found %d in %s",
              origin,
              classes,
              where));
    }
  }

  /** The class with this name in {@code label2id}, or else in {@code id2label}, if there is one. */
  public Optional<Long> classNamed(String name) {
    JsonNode id = root.path("label2id").get(name);
    if (id != null && id.isIntegralNumber() && id.canConvertToLong()) {
      return Optional.of(id.longValue());
    }
    return root.path("id2label").properties().stream()
        .filter(label -> label.getValue().asText().equals(name))
        .filter(label -> label.getKey().matches("[0-9]{1,9}"))
        .map(label -> Long.valueOf(label.getKey()))
        .findFirst();
  }

  /** Width of one attention head. */
  public int headWidth(String widthKey, int width, String headsKey, int heads) {
    if (width % heads != 0) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: %s %d does not divide %s %d",
              origin,
              headsKey,
              heads,
              widthKey,
              width));
    }
    return width / heads;
  }

  private InvalidInput invalid(String key, String expected, JsonNode found) {
    return new InvalidInput(
        "%s: %s: expected %s, found %s".formatted(origin, key, expected, found));
  }
}
