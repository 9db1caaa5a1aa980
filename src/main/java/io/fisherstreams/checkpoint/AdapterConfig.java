package io.fisherstreams.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.TextFile;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The {@code adapter_config.json} of a LoRA adapter, as PEFT writes it. What changes the weights
 * and is not implemented is rejected by its key; so is a key that is not known, unless its value
 * says that it is not used.
 */
final class AdapterConfig {
  /** The file's name. */
  static final String NAME = "adapter_config.json";

  /** Keys that are read here, or that say nothing of what the weights are. */
  private static final Set<String> KNOWN =
      Set.of(
          "alpha_pattern",
          "auto_mapping",
          "base_model_name_or_path",
          "bias",
          "corda_config",
          "ensure_weight_tying",
          "eva_config",
          "exclude_modules",
          "fan_in_fan_out",
          "inference_mode",
          "init_lora_weights",
          "layers_pattern",
          "layers_to_transform",
          "loftq_config",
          "lora_alpha",
          "lora_bias",
          "lora_dropout",
          "megatron_core",
          "modules_to_save",
          "peft_type",
          "peft_version",
          "qalora_group_size",
          "r",
          "rank_pattern",
          "revision",
          "runtime_config",
          "target_modules",
          "task_type",
          "use_rslora");

  /** Values of {@code init_lora_weights} that leave the base's weights as they are. */
  private static final Set<String> PLAIN_STARTS = Set.of("gaussian", "eva", "orthogonal");

  private static final Map<String, String> REASONS =
      Map.of(
          "use_dora", "DoRA",
          "use_qalora", "QA-LoRA",
          "alora_invocation_tokens", "aLoRA",
          "target_parameters", "adapters of single parameters",
          "trainable_token_indices", "adapters of single tokens",
          "layer_replication", "layers that are used several times");

  private final Path file;
  private final JsonNode root;

  private AdapterConfig(Path file, JsonNode root) {
    this.file = file;
    this.root = root;
  }

  /**
   * Reads the file of an adapter's folder.
   *
   * @throws InvalidInput when it asks for something that is not implemented
   */
  static AdapterConfig read(Path folder) {
    Path file = folder.resolve(NAME);
    JsonNode root;
    try {
      root = new ObjectMapper().readTree(TextFile.withoutMark(TextFile.read(file)));
    } catch (JsonProcessingException e) {
      throw new InvalidInput("%s: not JSON: %s".formatted(file, JsonFault.reason(e)), e);
    }
    if (!root.isObject()) {
      throw new InvalidInput("%s: expected a JSON object".formatted(file));
    }
    AdapterConfig config = new AdapterConfig(file, root);
    config.requireImplemented();
    return config;
  }

  private void requireImplemented() {
    if (!"LORA".equals(root.path("peft_type").asText())) {
      throw invalid("peft_type", "\"LORA\"");
    }
    for (Map.Entry<String, JsonNode> entry : root.properties()) {
      String key = entry.getKey();
      if (!KNOWN.contains(key) && isUsed(entry.getValue())) {
        throw new InvalidInput(
            "%s: %s is %s, which is not implemented%s: merge the adapter into its base first (PEFT: model.merge_and_unload().save_pretrained(folder))"
                .formatted(
                    file,
                    key,
                    StrictJson.shown(entry.getValue().toString()),
                    REASONS.containsKey(key) ? " (" + REASONS.get(key) + ")" : ""));
      }
    }
    JsonNode start = root.path("init_lora_weights");
    if (start.isTextual() && !PLAIN_STARTS.contains(start.textValue().toLowerCase(Locale.ROOT))) {
      throw new InvalidInput(
          "%s: init_lora_weights is %s: this start changes the base's own weights, so the adapter belongs to another base than the one that is named; expected true, false or one of %s"
              .formatted(
                  file,
                  StrictJson.shown(start.toString()),
                  PLAIN_STARTS.stream().sorted().toList()));
    }
    if (!Set.of("none", "all", "lora_only").contains(bias())) {
      throw invalid("bias", "none, all or lora_only");
    }
  }

  private static boolean isUsed(JsonNode value) {
    return !value.isNull()
        && !(value.isBoolean() && !value.booleanValue())
        && !(value.isContainerNode() && value.isEmpty())
        && !(value.isTextual() && value.textValue().isEmpty());
  }

  private InvalidInput invalid(String key, String expected) {
    return new InvalidInput(
        "%s: %s: expected %s, found %s"
            .formatted(
                file,
                key,
                expected,
                root.has(key) ? StrictJson.shown(root.get(key).toString()) : "no such key"));
  }

  /** The file. */
  Path file() {
    return file;
  }

  /** Which biases were trained: {@code none}, {@code all} or {@code lora_only}. */
  String bias() {
    return root.path("bias").asText("none");
  }

  /** Whether the modules' weights are stored as [inputs, outputs], as the config says. */
  boolean isFanInFanOut() {
    return root.path("fan_in_fan_out").asBoolean(false);
  }

  /** Whether a parameter belongs to a module that the adapter brings whole. */
  boolean isSaved(String parameter) {
    for (JsonNode module : root.path("modules_to_save")) {
      if (("." + parameter).contains("." + module.asText() + ".")) {
        return true;
      }
    }
    return false;
  }

  /** The rank r of a module. */
  int rank(String module) {
    JsonNode rank = ofModule("rank_pattern", "r", module);
    if (!rank.isIntegralNumber() || !rank.canConvertToInt() || rank.intValue() < 1) {
      throw new InvalidInput(
          "%s: the rank of %s: expected a positive integer, found %s"
              .formatted(file, module, StrictJson.shown(rank.toString())));
    }
    return rank.intValue();
  }

  /** The factor s of a module's update: alpha / r, or alpha / √r if it is rank-stabilised. */
  double scale(String module) {
    JsonNode alpha = ofModule("alpha_pattern", "lora_alpha", module);
    if (!alpha.isNumber() || !Double.isFinite(alpha.doubleValue())) {
      throw new InvalidInput(
          "%s: the alpha of %s: expected a number, found %s"
              .formatted(file, module, StrictJson.shown(alpha.toString())));
    }
    double rank = rank(module);
    boolean stabilised = root.path("use_rslora").asBoolean(false);
    return alpha.doubleValue() / (stabilised ? Math.sqrt(rank) : rank);
  }

  /** The value of the first pattern that matches a module, in the file's order, or the default. */
  private JsonNode ofModule(String patterns, String byDefault, String module) {
    JsonNode table = root.path(patterns);
    for (Map.Entry<String, JsonNode> entry : table.properties()) {
      if (compiled(patterns, entry.getKey()).matches(module)) {
        return entry.getValue();
      }
    }
    return root.path(byDefault);
  }

  private Pattern compiled(String key, String pattern) {
    try {
      return Pattern.compile("(?:.*\\.)?(?:" + pattern + ")", Pattern.DOTALL);
    } catch (PatternSyntaxException e) {
      throw new InvalidInput(
          "%s: %s: the pattern '%s' cannot be used: %s"
              .formatted(file, key, StrictJson.shown(pattern), e.getMessage()),
          e);
    }
  }

  /** Whether ranks or alphas differ from module to module. */
  boolean hasPatterns() {
    return !root.path("rank_pattern").isEmpty() || !root.path("alpha_pattern").isEmpty();
  }
}
