package io.fisherstreams.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * The arguments of a call, by position or name.
 *
 * @param of what is called, for messages
 */
record Arguments(String of, List<Object> positional, Map<String, Object> named) {
  /** Puts the arguments in the order of the parameters; what is not given is null. */
  List<Object> ordered(String... parameters) {
    if (positional.size() > parameters.length) {
      throw new TemplateFault(of + " has too many arguments");
    }
    List<Object> ordered = new ArrayList<>(positional);
    TreeSet<String> unknown = new TreeSet<>(named.keySet());
    for (int i = 0; i < parameters.length; i++) {
      boolean isNamed = unknown.remove(parameters[i]);
      if (i >= positional.size()) {
        ordered.add(named.get(parameters[i]));
      } else if (isNamed) {
        throw new TemplateFault(of + ": argument " + parameters[i] + " is given twice");
      }
    }
    if (!unknown.isEmpty()) {
      throw new TemplateFault(of + ": argument " + unknown.first() + " is not implemented");
    }
    return ordered;
  }

  /** The first argument, which must be given, of the parameters. */
  Object required(String... parameters) {
    if (positional.isEmpty() && !named.containsKey(parameters[0])) {
      throw new TemplateFault(of + " needs " + parameters[0]);
    }
    return ordered(parameters).get(0);
  }

  /** Rejects arguments. */
  void requireNone() {
    ordered();
  }
}
