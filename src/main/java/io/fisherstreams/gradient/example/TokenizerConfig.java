package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.JsonFault;
import io.fisherstreams.files.FileSize;
import io.fisherstreams.files.TextFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What the files beside a {@code tokenizer.json} say about conversations: the chat template ({@code
 * chat_template.jinja}, or {@code chat_template} in {@code tokenizer_config.json}) and the special
 * tokens that it may name.
 */
final class TokenizerConfig {
  private static final long MAX_BYTES = 1 << 24;
  private static final List<String> SPECIAL_TOKENS =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  private final Path folder;

  TokenizerConfig(Path folder) {
    this.folder = folder;
  }

  /**
   * The template's text, and the file that it comes from.
   *
   * @throws InvalidInput when there is none
   */
  Map.Entry<Path, String> chatTemplate() {
    Path own = folder.resolve("chat_template.jinja");
    if (Files.exists(own)) {
      return Map.entry(own, read(own));
    }
    Path config = folder.resolve("tokenizer_config.json");
    return json(config)
        .flatMap(root -> template(config, root.path("chat_template")))
        .map(text -> Map.entry(config, text))
        .orElseThrow(
            () ->
                new InvalidInput(
                    ("%s: messages need the model's chat template: neither chat_template.jinja nor"
                            + " chat_template in tokenizer_config.json is there")
                        .formatted(folder)));
  }

  private static Optional<String> template(Path config, JsonNode node) {
    if (node.isMissingNode() || node.isNull()) {
      return Optional.empty();
    }
    if (node.isTextual()) {
      return Optional.of(node.textValue());
    }
    for (JsonNode each : node) {
      if (each.path("name").asText().equals("default") && each.path("template").isTextual()) {
        return Optional.of(each.path("template").textValue());
      }
    }
    throw new InvalidInput(
        "%s: chat_template: expected a text, or a list with a template named default"
            .formatted(config));
  }

  /** The special tokens that are set, by the name of their key. */
  Map<String, Object> specialTokens() {
    Map<String, Object> tokens = new TreeMap<>();
    for (String file : List.of("special_tokens_map.json", "tokenizer_config.json")) {
      json(folder.resolve(file)).ifPresent(root -> addTokens(root, tokens));
    }
    return tokens;
  }

  private static void addTokens(JsonNode root, Map<String, Object> tokens) {
    for (String key : SPECIAL_TOKENS) {
      text(root.path(key)).ifPresent(token -> tokens.put(key, token));
    }
    List<Object> more = new ArrayList<>();
    root.path("additional_special_tokens").forEach(node -> text(node).ifPresent(more::add));
    if (!more.isEmpty()) {
      tokens.put("additional_special_tokens", more);
    }
  }

  /** A token's text, which may be beside settings of the token. */
  private static Optional<String> text(JsonNode token) {
    return Optional.ofNullable(
        token.isObject() ? token.path("content").textValue() : token.textValue());
  }

  private static Optional<JsonNode> json(Path file) {
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    try {
      return Optional.of(new ObjectMapper().readTree(read(file)));
    } catch (JsonProcessingException e) {
      throw new InvalidInput("%s: not JSON: %s".formatted(file, JsonFault.reason(e)), e);
    }
  }

  private static String read(Path file) {
    FileSize.requireAtMost(file, MAX_BYTES);
    return TextFile.read(file);
  }
}
