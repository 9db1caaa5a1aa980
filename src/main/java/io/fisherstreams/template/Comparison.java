package io.fisherstreams.template;

import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Compares values as Python does. */
final class Comparison {
  private final Budget budget;

  Comparison(Budget budget) {
    this.budget = budget;
  }

  boolean holds(String operator, Object left, Object right) {
    return switch (operator) {
      case "==" -> areEqual(left, right);
      case "!=" -> !areEqual(left, right);
      case "in" -> contains(right, left);
      case "not in" -> !contains(right, left);
      case "<" -> compare(left, right) < 0;
      case "<=" -> compare(left, right) <= 0;
      case ">" -> compare(left, right) > 0;
      default -> compare(left, right) >= 0;
    };
  }

  boolean areEqual(Object left, Object right) {
    budget.read(left instanceof String text ? text.length() : 0);
    if (Values.isNumber(left) && Values.isNumber(right)) {
      return compare(left, right) == 0;
    }
    if (left instanceof Undefined || right instanceof Undefined) {
      return left instanceof Undefined && right instanceof Undefined;
    }
    if (left instanceof List<?> a && right instanceof List<?> b) {
      return a.size() == b.size() && allEqual(a, b);
    }
    if (left instanceof Map<?, ?> a && right instanceof Map<?, ?> b) {
      return a.keySet().equals(b.keySet())
          && a.entrySet().stream().allMatch(e -> areEqual(e.getValue(), b.get(e.getKey())));
    }
    boolean same = left == right;
    return same || (left instanceof String text && text.equals(right));
  }

  private boolean allEqual(List<?> left, List<?> right) {
    for (int i = 0; i < left.size(); i++) {
      if (!areEqual(left.get(i), right.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** Below 0, 0 or above 0, as the left value is smaller, equal or larger. */
  int compare(Object left, Object right) {
    budget.read(left instanceof String text ? text.length() : 0);
    if (Values.isNumber(left) && Values.isNumber(right)) {
      if (left instanceof Double || right instanceof Double) {
        double difference = Values.number(left) - Values.number(right); // -0.0 equals 0.0
        return difference < 0 ? -1 : difference > 0 ? 1 : 0;
      }
      return Long.compare(Values.integer(left), Values.integer(right));
    }
    if (left instanceof String a && right instanceof String b) {
      int[] x = a.codePoints().toArray();
      int[] y = b.codePoints().toArray();
      return Arrays.compare(x, y);
    }
    throw new TemplateFault(
        "cannot compare " + Values.named(left) + " with " + Values.named(right));
  }

  boolean contains(Object container, Object item) {
    budget.read(container instanceof String text ? text.length() : 0);
    if (container instanceof String text && item instanceof String part) {
      return text.contains(part);
    }
    if (container instanceof List<?> list) {
      return list.stream().anyMatch(each -> areEqual(each, item));
    }
    if (container instanceof Map<?, ?> map) {
      return item instanceof String && map.containsKey(item);
    }
    if (container instanceof Undefined) {
      return false;
    }
    throw new TemplateFault(Values.named(item) + " cannot be in " + Values.kind(container));
  }
}
