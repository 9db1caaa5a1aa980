package io.fisherstreams.release;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.TextFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;

/**
 * What a release's model card takes from the base model's folder.
 *
 * @param name the base's name on a model hub, or else its folder's
 * @param library the library that loads the model; empty when nothing says so
 * @param license the lines of the base's card on its license, as key and value, in order; a value
 *     is a text or a list of texts
 */
record BaseCard(String name, Optional<String> library, Map<String, Object> license) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern FRONT_MATTER =
      Pattern.compile("\\A\\s*---\\R(.*?)\\R---", Pattern.DOTALL);
  private static final Pattern REPOSITORY =
      Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*");

  /** Reads {@code README.md} and {@code config.json}, as far as they are there and can be read. */
  static BaseCard of(Path folder) {
    JsonNode config = config(folder.resolve("config.json"));
    Map<?, ?> card = card(folder.resolve("README.md"));
    Map<String, Object> license = new LinkedHashMap<>();
    for (String key : List.of("license", "license_name", "license_link")) {
      value(card.get(key)).ifPresent(value -> license.put(key, value));
    }
    Optional<String> library =
        card.get("library_name") instanceof String named
            ? Optional.of(named)
            : Optional.of("transformers").filter(unused -> config.has("model_type"));
    String saved = config.path("_name_or_path").asText();
    Path own = folder.toAbsolutePath().normalize().getFileName();
    String name = REPOSITORY.matcher(saved).matches() || own == null ? saved : own.toString();
    return new BaseCard(name, library, license);
  }

  /** A file's text; a file that cannot be read is no reason to lose a merge that is done. */
  private static Optional<String> text(Path file) {
    try {
      return Files.exists(file) ? Optional.of(TextFile.read(file)) : Optional.empty();
    } catch (InvalidInput e) {
      return Optional.empty();
    }
  }

  private static JsonNode config(Path file) {
    try {
      return JSON.readTree(text(file).orElse("{}"));
    } catch (JsonProcessingException e) {
      return JSON.createObjectNode();
    }
  }

  /** The metadata of a card; empty for a card without any, or with some that is no YAML. */
  private static Map<?, ?> card(Path file) {
    Matcher block = FRONT_MATTER.matcher(text(file).orElse(""));
    if (!block.find()) {
      return Map.of();
    }
    try {
      Object read = new Yaml(new SafeConstructor(new LoaderOptions())).load(block.group(1));
      return read instanceof Map<?, ?> map ? map : Map.of();
    } catch (YAMLException e) {
      return Map.of();
    }
  }

  private static Optional<Object> value(Object value) {
    if (value instanceof List<?> list) {
      List<String> texts = new ArrayList<>();
      list.forEach(item -> texts.add(String.valueOf(item)));
      return Optional.of(texts);
    }
    return Optional.ofNullable(value).map(String::valueOf);
  }
}
