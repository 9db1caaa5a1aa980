package io.fisherstreams.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A template's values, with Python's rules. They are null (none), Boolean, Long, Double, String,
 * List, Map from texts, {@link Produced}, {@link Undefined}, {@link Namespace}, {@link LoopState}
 * and {@link Callable}.
 */
final class Values {
  private Values() {}

  /** The kind of a value, for messages. */
  static String kind(Object value) {
    if (value == null) {
      return "none";
    }
    if (value instanceof Boolean) {
      return "a boolean";
    }
    if (value instanceof Long || value instanceof Double) {
      return "a number";
    }
    if (value instanceof String) {
      return "a text";
    }
    if (value instanceof List<?>) {
      return "a list";
    }
    return value instanceof Map<?, ?> ? "a map" : "an object";
  }

  static boolean isTrue(Object value) {
    if (value == null || value instanceof Undefined) {
      return false;
    }
    if (value instanceof Boolean flag) {
      return flag;
    }
    if (value instanceof Number number) {
      return number.doubleValue() != 0;
    }
    if (value instanceof String text) {
      return !text.isEmpty();
    }
    if (value instanceof List<?> list) {
      return !list.isEmpty();
    }
    return !(value instanceof Map<?, ?> map) || !map.isEmpty();
  }

  /** What a value prints. */
  static String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    if (value == null) {
      return "None";
    }
    if (value instanceof Undefined) {
      return "";
    }
    if (value instanceof Boolean flag) {
      return flag ? "True" : "False";
    }
    if (value instanceof Double number) {
      return PythonText.number(number);
    }
    if (value instanceof Long) {
      return value.toString();
    }
    throw new TemplateFault(kind(value) + " cannot be printed as text");
  }

  /** The kind of a value, or the name of what is not there. */
  static String named(Object value) {
    return value instanceof Undefined undefined
        ? undefined.what() + ", which is undefined,"
        : kind(value);
  }

  /** The items of a list, the keys of a map, or the characters of a text. */
  static List<Object> items(Object value) {
    if (value instanceof List<?> list) {
      return new ArrayList<>(list);
    }
    if (value instanceof Map<?, ?> map) {
      return new ArrayList<>(map.keySet());
    }
    if (value instanceof String text) {
      return PythonText.characters(text);
    }
    if (value instanceof Produced produced) {
      return new ArrayList<>(produced.take());
    }
    if (value instanceof Undefined) {
      return new ArrayList<>();
    }
    throw new TemplateFault(kind(value) + " has no items");
  }

  static long length(Object value) {
    if (value instanceof String text) {
      return PythonText.length(text);
    }
    if (value instanceof List<?> list) {
      return list.size();
    }
    if (value instanceof Map<?, ?> map) {
      return map.size();
    }
    if (value instanceof Undefined) {
      return 0;
    }
    throw new TemplateFault(kind(value) + " has no length");
  }

  /** Whether a value counts as a number; booleans are 0 and 1. */
  static boolean isNumber(Object value) {
    return value instanceof Long || value instanceof Double || value instanceof Boolean;
  }

  static double number(Object value) {
    return value instanceof Double number ? number : integer(value);
  }

  static long integer(Object value) {
    if (value instanceof Boolean flag) {
      return flag ? 1 : 0;
    }
    if (value instanceof Long number) {
      return number;
    }
    throw new TemplateFault("expected an integer, found " + named(value));
  }

  static String requireText(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw new TemplateFault("expected a text, found " + named(value));
  }
}
