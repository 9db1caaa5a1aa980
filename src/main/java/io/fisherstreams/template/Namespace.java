package io.fisherstreams.template;

import java.util.HashMap;
import java.util.Map;

/** A value whose attributes a template can set, also from within a loop. */
final class Namespace {
  private final Map<String, Object> attributes = new HashMap<>();

  Namespace(Map<String, Object> attributes) {
    this.attributes.putAll(attributes);
  }

  Object get(String name) {
    return attributes.containsKey(name) ? attributes.get(name) : new Undefined(name);
  }

  void set(String name, Object value) {
    attributes.put(name, value);
  }
}
