package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON of an example as values of a template. */
final class JsonValues {
  private JsonValues() {}

  /**
   * A node's value: null, Boolean, Long, Double, String, or lists and maps of them.
   *
   * @param key where the node is in its line, for messages
   * @throws io.fisherstreams.InvalidInput when a number or a text is none
   */
  static Object of(JsonLines lines, long index, String key, JsonNode node) {
    if (node.isTextual()) {
      lines.requireCharacters(index, key, node.textValue());
      return node.textValue();
    }
    if (node.isArray()) {
      List<Object> list = new ArrayList<>();
      node.forEach(item -> list.add(of(lines, index, key, item)));
      return list;
    }
    if (node.isObject()) {
      Map<String, Object> map = new LinkedHashMap<>();
      node.properties()
          .forEach(
              property -> {
                lines.requireCharacters(index, key, property.getKey());
                map.put(property.getKey(), of(lines, index, key, property.getValue()));
              });
      return map;
    }
    if (node.isNumber()) {
      return number(lines, index, key, node);
    }
    return node.isBoolean() ? node.booleanValue() : null;
  }

  private static Object number(JsonLines lines, long index, String key, JsonNode node) {
    if (node.isIntegralNumber() && node.canConvertToLong()) {
      return node.longValue();
    }
    if (node.isIntegralNumber() || !Double.isFinite(node.doubleValue())) {
      throw lines.invalid(index, "%s: the number %s is too large".formatted(key, node));
    }
    return node.doubleValue();
  }
}
