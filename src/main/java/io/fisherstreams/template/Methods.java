package io.fisherstreams.template;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.function.Predicate;

/**
 * Methods of texts, maps and lists. Python's other methods are rejected by name: a template that
 * names one must not see it as undefined.
 */
final class Methods {
  private static final Set<String> TEXT_METHODS =
      Set.of(
          "capitalize",
          "casefold",
          "center",
          "count",
          "encode",
          "endswith",
          "expandtabs",
          "find",
          "format",
          "format_map",
          "index",
          "isalnum",
          "isalpha",
          "isascii",
          "isdecimal",
          "isdigit",
          "isidentifier",
          "islower",
          "isnumeric",
          "isprintable",
          "isspace",
          "istitle",
          "isupper",
          "join",
          "ljust",
          "lower",
          "lstrip",
          "maketrans",
          "partition",
          "removeprefix",
          "removesuffix",
          "replace",
          "rfind",
          "rindex",
          "rjust",
          "rpartition",
          "rsplit",
          "rstrip",
          "split",
          "splitlines",
          "startswith",
          "strip",
          "swapcase",
          "title",
          "translate",
          "upper",
          "zfill");
  private static final Set<String> MAP_METHODS =
      Set.of(
          "clear",
          "copy",
          "fromkeys",
          "get",
          "items",
          "keys",
          "pop",
          "popitem",
          "setdefault",
          "update",
          "values");
  private static final Set<String> LIST_METHODS =
      Set.of(
          "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove",
          "reverse", "sort");

  private final Budget budget;

  Methods(Budget budget) {
    this.budget = budget;
  }

  /** A value's method, or null when Python's type has none of this name. */
  Callable find(Object base, String name) {
    if (name.startsWith("__")) {
      throw new TemplateFault(Values.kind(base) + " has no attribute " + name + " here");
    }
    if (base instanceof String text && TEXT_METHODS.contains(name)) {
      return (positional, named) -> text(text, name, new Arguments(name, positional, named));
    }
    if (base instanceof Map<?, ?> map && MAP_METHODS.contains(name)) {
      return (positional, named) -> map(map, name, new Arguments(name, positional, named));
    }
    if (Values.isNumber(base) || (base instanceof List<?> && LIST_METHODS.contains(name))) {
      throw new TemplateFault("." + name + " of " + Values.kind(base) + " is not implemented");
    }
    return null;
  }

  private Object text(String text, String name, Arguments arguments) {
    budget.step(1);
    budget.reserve(text.length());
    return switch (name) {
      case "strip" -> PythonText.stripped(text, characters(arguments), true, true);
      case "lstrip" -> PythonText.stripped(text, characters(arguments), true, false);
      case "rstrip" -> PythonText.stripped(text, characters(arguments), false, true);
      case "startswith" -> anyOf(arguments, text::startsWith);
      case "endswith" -> anyOf(arguments, text::endsWith);
      case "removeprefix" -> {
        String prefix = Values.requireText(arguments.required("prefix"));
        yield text.startsWith(prefix) ? text.substring(prefix.length()) : text;
      }
      case "removesuffix" -> {
        String suffix = Values.requireText(arguments.required("suffix"));
        yield text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
      }
      case "split" -> split(text, arguments);
      case "replace" -> replaced(text, arguments);
      case "find" -> {
        int at = text.indexOf(Values.requireText(arguments.required("sub")));
        yield at < 0 ? -1L : (long) text.codePointCount(0, at);
      }
      case "join" -> joined(text, budget.items(arguments.required("iterable")));
      case "upper", "lower", "capitalize" -> {
        arguments.requireNone();
        yield cased(text, name);
      }
      default -> throw new TemplateFault("." + name + "() of a text is not implemented");
    };
  }

  static String cased(String text, String name) {
    return switch (name) {
      case "upper" -> text.toUpperCase(Locale.ROOT);
      case "lower" -> text.toLowerCase(Locale.ROOT);
      default -> PythonText.capitalized(text);
    };
  }

  /** The characters to strip, as the only argument; null for white space. */
  static String characters(Arguments arguments) {
    Object characters = arguments.ordered("chars").get(0);
    return characters == null ? null : Values.requireText(characters);
  }

  private boolean anyOf(Arguments arguments, Predicate<String> matches) {
    Object value = arguments.required("prefix");
    List<Object> texts =
        value instanceof List<?> ? budget.items(value) : List.of(Values.requireText(value));
    return texts.stream().anyMatch(text -> matches.test(Values.requireText(text)));
  }

  private List<Object> split(String text, Arguments arguments) {
    List<Object> given = arguments.ordered("sep", "maxsplit");
    long limit = given.get(1) == null ? -1 : Values.integer(given.get(1));
    List<Object> parts;
    if (given.get(0) == null) {
      if (limit >= 0) {
        throw new TemplateFault("split: maxsplit without sep is not implemented");
      }
      parts = PythonText.words(text);
    } else {
      String separator = Values.requireText(given.get(0));
      if (separator.isEmpty()) {
        throw new TemplateFault("split: the separator is empty");
      }
      parts = PythonText.split(text, separator, limit);
    }
    budget.step(parts.size());
    return parts;
  }

  /** A text with old parts replaced by new ones: all of them, or the first ones. */
  String replaced(String text, Arguments arguments) {
    List<Object> given = arguments.ordered("old", "new", "count");
    String old = Values.requireText(given.get(0));
    String replacement = Values.requireText(given.get(1));
    if (old.isEmpty()) {
      throw new TemplateFault("replace: the old text is empty");
    }
    long limit = given.get(2) == null ? -1 : Values.integer(given.get(2));
    return joined(replacement, PythonText.split(text, old, limit));
  }

  /** Texts with a separator between them. */
  String joined(String separator, List<Object> texts) {
    long length = (long) separator.length() * texts.size();
    for (Object text : texts) {
      length += Values.requireText(text).length();
    }
    budget.step(texts.size());
    budget.reserve(length);
    StringJoiner joined = new StringJoiner(separator);
    texts.forEach(text -> joined.add((String) text));
    return joined.toString();
  }

  private Object map(Map<?, ?> map, String name, Arguments arguments) {
    budget.step(map.size() + 1L);
    return switch (name) {
      case "get" -> {
        List<Object> given = arguments.ordered("key", "default");
        Object key = arguments.required("key", "default");
        yield map.containsKey(key) ? map.get(key) : given.get(1);
      }
      case "items" -> {
        arguments.requireNone();
        yield pairs(map);
      }
      case "keys" -> {
        arguments.requireNone();
        yield new ArrayList<Object>(map.keySet());
      }
      case "values" -> {
        arguments.requireNone();
        yield new ArrayList<Object>(map.values());
      }
      default -> throw new TemplateFault("." + name + "() of a map is not implemented");
    };
  }

  /** A map's keys, each with its value. */
  static List<Object> pairs(Map<?, ?> map) {
    List<Object> pairs = new ArrayList<>();
    map.forEach((key, value) -> pairs.add(Arrays.asList(key, value)));
    return pairs;
  }
}
