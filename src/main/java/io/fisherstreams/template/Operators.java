package io.fisherstreams.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Operations on two values, and parts of texts and lists. */
final class Operators {
  private final Budget budget;

  Operators(Budget budget) {
    this.budget = budget;
  }

  Object binary(String operator, Object left, Object right) {
    if (operator.equals("~")) {
      return budget.made(Values.text(left) + Values.text(right));
    }
    if (operator.equals("+") && left instanceof String a && right instanceof String b) {
      return budget.made(a + b);
    }
    if (operator.equals("+") && left instanceof List<?> a && right instanceof List<?> b) {
      budget.step((long) a.size() + b.size());
      List<Object> both = new ArrayList<>(a);
      both.addAll(b);
      return both;
    }
    if (operator.equals("*") && left instanceof String text && right instanceof Long times) {
      long count = Math.max(0, times);
      budget.reserve(count > Integer.MAX_VALUE ? Long.MAX_VALUE : count * text.length());
      return text.repeat((int) count);
    }
    if (!isNumber(left) || !isNumber(right)) {
      throw new TemplateFault(
          "'%s' of %s and %s is not possible"
              .formatted(operator, Values.named(left), Values.named(right)));
    }
    return left instanceof Long a && right instanceof Long b && !operator.equals("/")
        ? integers(operator, a, b)
        : numbers(operator, Values.number(left), Values.number(right));
  }

  private static boolean isNumber(Object value) {
    return value instanceof Long || value instanceof Double;
  }

  private static Object integers(String operator, long a, long b) {
    if (b == 0 && (operator.equals("//") || operator.equals("%"))) {
      throw new TemplateFault("division by 0");
    }
    try {
      return switch (operator) {
        case "+" -> Math.addExact(a, b);
        case "-" -> Math.subtractExact(a, b);
        case "*" -> Math.multiplyExact(a, b);
        case "//" -> Math.floorDiv(a, b);
        default -> Math.floorMod(a, b);
      };
    } catch (ArithmeticException e) {
      throw new TemplateFault("a number is too large");
    }
  }

  private static Object numbers(String operator, double a, double b) {
    double result =
        switch (operator) {
          case "+" -> a + b;
          case "-" -> a - b;
          case "*" -> a * b;
          case "/" -> a / b;
          default -> throw new TemplateFault("'" + operator + "' needs integers");
        };
    if (!Double.isFinite(result)) {
      throw new TemplateFault("division by 0, or a number that is too large");
    }
    return result;
  }

  static Object sign(boolean negative, Object value) {
    if (value instanceof Double number) {
      return negative ? -number : number;
    }
    if (value instanceof Long number && number != Long.MIN_VALUE) {
      return negative ? -number : number;
    }
    throw new TemplateFault("a sign needs a number, found " + Values.named(value));
  }

  /** An item of a text or list, counted from the end when negative; undefined beyond its ends. */
  Object item(Object base, long index) {
    long size = budget.length(base);
    long position = index < 0 ? index + size : index;
    if (position < 0 || position >= size) {
      return new Undefined("item " + index);
    }
    if (base instanceof String text) {
      budget.read(position);
      int start = text.offsetByCodePoints(0, (int) position);
      return text.substring(start, text.offsetByCodePoints(start, 1));
    }
    return ((List<?>) base).get((int) position);
  }

  /** A part of a text or list; start, stop and step are integers or none. */
  Object slice(Object base, Object start, Object stop, Object step) {
    if (!(base instanceof String) && !(base instanceof List<?>)) {
      throw new TemplateFault(Values.named(base) + " has no parts");
    }
    if (base instanceof String text && step == null) {
      return budget.made(part(text, start, stop));
    }
    List<Object> items = budget.items(base);
    long by = step == null ? 1 : Math.max(-Integer.MAX_VALUE, Values.integer(step));
    if (by == 0) {
      throw new TemplateFault("the step of a part is 0");
    }
    List<Object> part = new ArrayList<>();
    if (by > 0) {
      long end = bound(stop, items.size(), items.size());
      for (long i = bound(start, 0, items.size()); i < end; i = next(i, by)) {
        part.add(items.get((int) i));
      }
    } else {
      Collections.reverse(items);
      long end = reversed(stop, items.size(), items.size());
      for (long i = reversed(start, 0, items.size()); i < end; i = next(i, -by)) {
        part.add(items.get((int) i));
      }
    }
    if (base instanceof String) {
      StringBuilder text = new StringBuilder();
      part.forEach(text::append);
      return budget.made(text.toString());
    }
    return part;
  }

  private String part(String text, Object start, Object stop) {
    long size = budget.length(text);
    int first = (int) bound(start, 0, size);
    int end = (int) Math.max(first, bound(stop, size, size));
    int from = text.offsetByCodePoints(0, first);
    return text.substring(from, text.offsetByCodePoints(from, end - first));
  }

  private static long next(long index, long by) {
    return by > Integer.MAX_VALUE ? Integer.MAX_VALUE : index + by;
  }

  private static long bound(Object value, long byDefault, long size) {
    if (value == null) {
      return byDefault;
    }
    long index = Values.integer(value);
    return Math.max(0, Math.min(size, index < 0 ? index + size : index));
  }

  /** A bound of a part that runs backwards, counted from the end. */
  private static long reversed(Object value, long byDefault, long size) {
    if (value == null) {
      return byDefault;
    }
    long index = Values.integer(value);
    return Math.max(0, Math.min(size, size - 1 - (index < 0 ? index + size : index)));
  }
}
