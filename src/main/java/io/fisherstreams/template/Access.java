package io.fisherstreams.template;

import java.util.List;
import java.util.Map;

/** Attributes and items of values. */
final class Access {
  private final Methods methods;
  private final Operators operators;

  Access(Methods methods, Operators operators) {
    this.methods = methods;
    this.operators = operators;
  }

  /** {@code base.name}: a method, or else what a map has under the name. */
  Object attribute(Object base, String name) {
    if (base instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (base instanceof Namespace namespace) {
      return namespace.get(name);
    }
    if (base instanceof LoopState loop) {
      return loop.get(name);
    }
    Callable method = methods.find(base, name);
    if (method != null) {
      return method;
    }
    return base instanceof Map<?, ?> map && map.containsKey(name)
        ? map.get(name)
        : new Undefined(name);
  }

  /** {@code base[key]}: what a map has under the key, an item of a list or text, or a method. */
  Object item(Object base, Object key) {
    if (base instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (base instanceof Map<?, ?> map && map.containsKey(key)) {
      return map.get(key);
    }
    if (key instanceof Long index && (base instanceof List<?> || base instanceof String)) {
      return operators.item(base, index);
    }
    if (key instanceof String name) {
      return attribute(base, name);
    }
    return new Undefined("an item");
  }

  /** The attribute, item or path of them, with dots between, that a filter names. */
  Object path(Object base, Object path) {
    if (path instanceof Long) {
      return item(base, path);
    }
    Object value = base;
    for (String part : Values.requireText(path).split("\\.", -1)) {
      Object key = part.matches("[0-9]{1,9}") ? Long.valueOf(part) : part;
      value = item(value, key);
    }
    return value;
  }
}
