package io.fisherstreams.template;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** What {@code value is …} tests. */
final class IsTests {
  private static final Set<String> KNOWN =
      Set.of(
          "defined",
          "undefined",
          "none",
          "boolean",
          "true",
          "false",
          "string",
          "number",
          "integer",
          "float",
          "mapping",
          "iterable",
          "sequence",
          "in",
          "eq",
          "equalto",
          "ne",
          "odd",
          "even",
          "divisibleby");

  private final Comparison comparison;

  IsTests(Comparison comparison) {
    this.comparison = comparison;
  }

  static void requireKnown(int line, String name) {
    if (!KNOWN.contains(name)) {
      throw TemplateFault.at(line, "test '" + name + "' is not known here");
    }
  }

  boolean test(Object value, String name, Arguments arguments) {
    return switch (name) {
      case "in" -> comparison.contains(arguments.required("seq"), value);
      case "eq", "equalto" -> comparison.areEqual(value, arguments.required("other"));
      case "ne" -> !comparison.areEqual(value, arguments.required("other"));
      case "divisibleby" -> {
        long divisor = Values.integer(arguments.required("num"));
        if (divisor == 0) {
          throw new TemplateFault("division by 0");
        }
        yield Values.integer(value) % divisor == 0;
      }
      default -> {
        arguments.requireNone();
        yield ofKind(value, name);
      }
    };
  }

  private static boolean ofKind(Object value, String name) {
    return switch (name) {
      case "defined" -> !(value instanceof Undefined);
      case "undefined" -> value instanceof Undefined;
      case "none" -> value == null;
      case "boolean" -> value instanceof Boolean;
      case "true" -> Boolean.TRUE.equals(value);
      case "false" -> Boolean.FALSE.equals(value);
      case "string" -> value instanceof String;
      case "number" -> Values.isNumber(value);
      case "integer" -> value instanceof Long;
      case "float" -> value instanceof Double;
      case "mapping" -> value instanceof Map<?, ?>;
      case "iterable" -> isSequence(value) || value instanceof Produced;
      case "sequence" -> isSequence(value);
      case "odd" -> Math.floorMod(Values.integer(value), 2) == 1;
      case "even" -> Math.floorMod(Values.integer(value), 2) == 0;
      default -> throw new TemplateFault("test '" + name + "' is not known here");
    };
  }

  private static boolean isSequence(Object value) {
    return value instanceof String
        || value instanceof List<?>
        || value instanceof Map<?, ?>
        || value instanceof Undefined;
  }
}
