package io.fisherstreams.template;

import java.util.List;

/** The variable {@code loop} in one turn of a loop. */
record LoopState(List<Object> items, int index) {
  Object get(String name) {
    int size = items.size();
    return switch (name) {
      case "index" -> (long) index + 1;
      case "index0" -> (long) index;
      case "revindex" -> (long) size - index;
      case "revindex0" -> (long) size - index - 1;
      case "first" -> index == 0;
      case "last" -> index == size - 1;
      case "length" -> (long) size;
      case "previtem" -> index == 0 ? new Undefined("loop.previtem") : items.get(index - 1);
      case "nextitem" -> index == size - 1 ? new Undefined("loop.nextitem") : items.get(index + 1);
      default -> throw new TemplateFault("loop." + name + " is not implemented");
    };
  }
}
