package io.fisherstreams.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The functions that every template can call. */
final class Functions {
  private static final int MAX_REASON = 300;

  private Functions() {}

  static void define(Scope scope, Budget budget) {
    scope.set("raise_exception", (Callable) Functions::raise);
    scope.set(
        "namespace", (Callable) (given, named) -> new Namespace(map("namespace", given, named)));
    scope.set("dict", (Callable) (given, named) -> map("dict", given, named));
    scope.set("range", (Callable) (given, named) -> range(budget, given, named));
  }

  private static Object raise(List<Object> positional, Map<String, Object> named) {
    Object reason = new Arguments("raise_exception", positional, named).required("message");
    String text = Values.text(reason);
    throw new TemplateFault(
        "the template rejects the messages: "
            + (text.length() > MAX_REASON ? text.substring(0, MAX_REASON) + "…" : text));
  }

  private static Map<String, Object> map(
      String name, List<Object> positional, Map<String, Object> named) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (Object each : positional) {
      if (!(each instanceof Map<?, ?> given) || positional.size() > 1) {
        throw new TemplateFault(name + ": expected one map, or named arguments");
      }
      given.forEach((key, value) -> map.put((String) key, value));
    }
    map.putAll(named);
    return map;
  }

  private static List<Object> range(
      Budget budget, List<Object> positional, Map<String, Object> named) {
    if (!named.isEmpty() || positional.isEmpty() || positional.size() > 3) {
      throw new TemplateFault("range: expected one to three integers");
    }
    long start = positional.size() == 1 ? 0 : Values.integer(positional.get(0));
    long stop = Values.integer(positional.get(positional.size() == 1 ? 0 : 1));
    long step = positional.size() == 3 ? Values.integer(positional.get(2)) : 1;
    if (step == 0) {
      throw new TemplateFault("range: the step is 0");
    }
    List<Object> range = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      budget.step(1);
      range.add(i);
      if (step > 0 ? i > stop - step : i < stop - step) {
        break; // the next one is beyond the end, perhaps beyond a long
      }
    }
    return range;
  }
}
