package io.fisherstreams.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** What {@code value | …} makes of a value. */
final class Filters {
  private static final Set<String> KNOWN =
      Set.of(
          "capitalize",
          "count",
          "d",
          "default",
          "dictsort",
          "first",
          "int",
          "items",
          "join",
          "last",
          "length",
          "list",
          "lower",
          "map",
          "reject",
          "rejectattr",
          "replace",
          "reverse",
          "safe",
          "select",
          "selectattr",
          "string",
          "tojson",
          "trim",
          "upper");
  private static final int MAX_INDENT = 16;

  private final Budget budget;
  private final Methods methods;
  private final Access access;
  private final IsTests tests;
  private final Comparison comparison;

  Filters(Budget budget, Methods methods, Access access, IsTests tests, Comparison comparison) {
    this.budget = budget;
    this.methods = methods;
    this.access = access;
    this.tests = tests;
    this.comparison = comparison;
  }

  static void requireKnown(int line, String name) {
    if (!KNOWN.contains(name)) {
      throw TemplateFault.at(line, "filter '" + name + "' is not known here");
    }
  }

  Object apply(Object value, String name, Arguments arguments) {
    budget.step(1);
    return switch (name) {
      case "default", "d" -> byDefault(value, arguments);
      case "trim" ->
          budget.made(PythonText.stripped(text(value), Methods.characters(arguments), true, true));
      case "replace" -> methods.replaced(text(value), arguments);
      case "join" -> joined(value, arguments);
      case "tojson" -> json(value, arguments);
      case "int" -> integer(value, arguments);
      case "map" -> new Produced(mapped(items(value), arguments));
      case "select", "reject" ->
          new Produced(selected(items(value), name.equals("select"), false, arguments));
      case "selectattr", "rejectattr" ->
          new Produced(selected(items(value), name.equals("selectattr"), true, arguments));
      default -> {
        arguments.requireNone();
        yield plain(value, name);
      }
    };
  }

  private Object plain(Object value, String name) {
    return switch (name) {
      case "length", "count" -> budget.length(value);
      case "upper", "lower", "capitalize" -> budget.made(Methods.cased(text(value), name));
      case "string", "safe" -> text(value);
      case "list" -> items(value);
      case "first", "last" -> {
        List<Object> items = items(value);
        int index = name.equals("first") ? 0 : items.size() - 1;
        yield items.isEmpty() ? new Undefined(name) : items.get(index);
      }
      case "reverse" -> reversed(value);
      case "items" ->
          new Produced(value instanceof Undefined ? List.of() : Methods.pairs(map(value)));
      case "dictsort" -> sorted(map(value));
      default -> throw new TemplateFault("filter '" + name + "' is not known here");
    };
  }

  private static String text(Object value) {
    return Values.text(value);
  }

  private List<Object> items(Object value) {
    return budget.items(value);
  }

  private Map<?, ?> map(Object value) {
    if (value instanceof Map<?, ?> map) {
      budget.step(map.size());
      return map;
    }
    throw new TemplateFault("expected a map, found " + Values.named(value));
  }

  private static Object byDefault(Object value, Arguments arguments) {
    List<Object> given = arguments.ordered("default_value", "boolean");
    boolean missing =
        value instanceof Undefined || (Values.isTrue(given.get(1)) && !Values.isTrue(value));
    return !missing ? value : given.get(0) == null ? "" : given.get(0);
  }

  private Object joined(Object value, Arguments arguments) {
    List<Object> given = arguments.ordered("d", "attribute");
    List<Object> texts = new ArrayList<>();
    for (Object item : items(value)) {
      texts.add(text(given.get(1) == null ? item : access.path(item, given.get(1))));
    }
    return methods.joined(given.get(0) == null ? "" : text(given.get(0)), texts);
  }

  private Object json(Object value, Arguments arguments) {
    List<Object> given = arguments.ordered("ensure_ascii", "indent");
    if (Values.isTrue(given.get(0))) {
      throw new TemplateFault("tojson: ensure_ascii is not implemented");
    }
    long indent = given.get(1) == null ? -1 : Values.integer(given.get(1));
    if (indent < -1 || indent > MAX_INDENT) {
      throw new TemplateFault("tojson: indent must be from 0 to " + MAX_INDENT);
    }
    return JsonText.of(budget, value, (int) indent);
  }

  private static Object integer(Object value, Arguments arguments) {
    Object byDefault = arguments.ordered("default").get(0);
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (value instanceof Double number && Math.abs(number) < 1L << 53) {
      return number.longValue();
    }
    if (value instanceof Long || value instanceof Boolean) {
      return Values.integer(value);
    }
    try {
      return Long.valueOf(PythonText.stripped(text(value), null, true, true));
    } catch (NumberFormatException e) {
      return byDefault == null ? Long.valueOf(0) : byDefault;
    }
  }

  private List<Object> mapped(List<Object> items, Arguments arguments) {
    List<Object> mapped = new ArrayList<>();
    if (arguments.positional().isEmpty()) {
      List<Object> given = arguments.ordered("attribute", "default");
      for (Object item : items) {
        Object value = access.path(item, given.get(0));
        boolean missing = value instanceof Undefined && given.get(1) != null;
        mapped.add(missing ? given.get(1) : value);
      }
      return mapped;
    }
    String filter = known(KNOWN, "filter", arguments.positional().get(0));
    Arguments rest = rest(filter, arguments, 1);
    items.forEach(item -> mapped.add(apply(item, filter, rest)));
    return mapped;
  }

  private List<Object> selected(
      List<Object> items, boolean wanted, boolean byAttribute, Arguments arguments) {
    List<Object> positional = arguments.positional();
    int test = byAttribute ? 1 : 0;
    if (positional.size() < test) {
      throw new TemplateFault(arguments.of() + " needs an attribute");
    }
    List<Object> selected = new ArrayList<>();
    for (Object item : items) {
      budget.step(1);
      Object value = byAttribute ? access.path(item, positional.get(0)) : item;
      if (holds(value, test, arguments) == wanted) {
        selected.add(item);
      }
    }
    return selected;
  }

  private boolean holds(Object value, int test, Arguments arguments) {
    if (arguments.positional().size() == test) {
      arguments.ordered(test == 1 ? new String[] {"attribute"} : new String[0]);
      return Values.isTrue(value);
    }
    String name = Values.requireText(arguments.positional().get(test));
    return tests.test(value, name, rest(name, arguments, test + 1));
  }

  private static String known(Set<String> names, String what, Object name) {
    String text = Values.requireText(name);
    if (!names.contains(text)) {
      throw new TemplateFault(what + " '" + text + "' is not known here");
    }
    return text;
  }

  private static Arguments rest(String of, Arguments arguments, int used) {
    List<Object> positional = arguments.positional();
    return new Arguments(of, positional.subList(used, positional.size()), arguments.named());
  }

  private Object reversed(Object value) {
    List<Object> items = items(value);
    Collections.reverse(items);
    return value instanceof String ? methods.joined("", items) : new Produced(items);
  }

  private List<Object> sorted(Map<?, ?> map) {
    List<Object> pairs = Methods.pairs(map);
    pairs.sort(
        (a, b) ->
            comparison.compare(key(a).toLowerCase(Locale.ROOT), key(b).toLowerCase(Locale.ROOT)));
    return pairs;
  }

  private static String key(Object pair) {
    return (String) ((List<?>) pair).get(0);
  }
}
