package io.fisherstreams.template;

import java.util.List;

/**
 * What one rendering may use. A template is a file that somebody else wrote: its loops end and its
 * texts stay small however it is written.
 */
final class Budget {
  private static final int CHARACTERS_A_STEP = 1024;

  private long steps;
  private long characters;

  Budget(long steps, long characters) {
    this.steps = steps;
    this.characters = characters;
  }

  /** Counts operations, or items that an operation reads. */
  void step(long count) {
    steps -= count;
    if (steps < 0) {
      throw new TemplateFault("the template takes too many steps");
    }
  }

  /** Counts characters that an operation reads, which is much faster than an operation each. */
  void read(long count) {
    step(1 + count / CHARACTERS_A_STEP);
  }

  /** Counts the characters of a text that is made. */
  String made(String text) {
    reserve(text.length());
    return text;
  }

  /** Counts characters before they are made. */
  void reserve(long count) {
    read(count);
    characters -= count;
    if (characters < 0) {
      throw new TemplateFault("the template makes too much text");
    }
  }

  /** A value's {@linkplain Values#length length}, counted as it is read. */
  long length(Object value) {
    read(value instanceof String text ? text.length() : 0);
    return Values.length(value);
  }

  /** A value's {@linkplain Values#items items}, each counted as a step. */
  List<Object> items(Object value) {
    if (value instanceof String text) {
      step(text.length());
    }
    List<Object> items = Values.items(value);
    step(items.size());
    return items;
  }
}
