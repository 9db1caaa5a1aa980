package io.fisherstreams.template;

import java.util.List;

/** What a filter such as {@code map} gives: items that can be read once, in order, and no list. */
final class Produced {
  private List<Object> items;

  Produced(List<Object> items) {
    this.items = items;
  }

  List<Object> take() {
    if (items == null) {
      throw new TemplateFault(
          "what map, select, reject, items or reverse gives is read twice; it needs '| list'");
    }
    List<Object> taken = items;
    items = null;
    return taken;
  }
}
