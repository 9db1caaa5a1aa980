package io.fisherstreams.template;

import java.util.HashMap;
import java.util.Map;

/** Variables of a block, and those around it, which it can read and not change. */
final class Scope {
  private final Scope outer;
  private final Map<String, Object> variables = new HashMap<>();

  /** A scope within another; null for none. */
  Scope(Scope outer) {
    this.outer = outer;
  }

  void set(String name, Object value) {
    variables.put(name, value);
  }

  Object get(String name) {
    for (Scope scope = this; scope != null; scope = scope.outer) {
      if (scope.variables.containsKey(name)) {
        return scope.variables.get(name);
      }
    }
    return new Undefined(name);
  }
}
