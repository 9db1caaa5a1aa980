package io.fisherstreams.template;

import java.util.List;
import java.util.Map;

/** A value that a template can call: a function, a macro, or a method with its object. */
@FunctionalInterface
interface Callable {
  Object call(List<Object> positional, Map<String, Object> named);
}
